"""Groups for cryoSPARC to import: what they hold, and that nothing else is replaced by them."""

from pathlib import Path

import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.convert import convert_particles
from locref_widgets.io.cs import read_cs
from tests.io.cs_files import CsRecipe, save


def test_a_group_for_cryosparc_to_import(cs_recipe: CsRecipe) -> None:
    path = cs_recipe.write()
    target = path.with_name("out.csg")
    # A second time: the .cs file beside it is the group's own.
    for _ in range(2):
        convert_particles(path, target)
        given, group = read_cs(path), read_cs(target)
        assert group.companions == (target.with_suffix(".cs"),)
        assert given.same_fields(group)
    assert "type: particle.alignments3D" in target.read_text()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_group_replaces_none_of_the_files_it_is_made_from(cs_recipe: CsRecipe) -> None:
    everything = cs_recipe.fields
    cs_recipe.fields = {
        n: c for n, c in everything.items() if n == "uid" or n.startswith("alignments3D")
    }
    path = cs_recipe.write()
    beside = save(path.with_name("J24_passthrough_particles.cs"), everything)
    given = path.with_name("given.csg")
    metafiles = {"alignments3D": path.name, "blob": beside.name, "ctf": beside.name}
    lines = [f"  {group}:\n    metafile: '>{name}'\n" for group, name in metafiles.items()]
    given.write_text("results:\n" + "".join(lines))
    link = path.with_name("link.cs")
    link.symlink_to(path)
    before = contents(path.parent)
    for source in (path, given):
        for replaced in (path, beside, link):
            with pytest.raises(InputError, match=rf"{replaced.name}: is one of the files to be"):
                convert_particles(source, replaced.with_suffix(".csg"))
    # A file joined to the one given, a group's own file, and either under a name of RELION.
    star = path.with_name("link.star")
    star.symlink_to(beside)
    before = contents(path.parent)
    for source, targets in ((path, (beside, star)), (given, (path, beside, link, star))):
        for target in targets:
            with pytest.raises(InputError, match=rf"{target.name}: is one of the files to be"):
                convert_particles(source, target)
    assert contents(path.parent) == before


@pytest.mark.parametrize("group", [None, "no group", "results:\n  blob:\n    metafile: other.cs\n"])
def test_a_group_replaces_no_unrelated_file(recipe, group: str | None) -> None:
    path = recipe.write()
    path.with_name("out.cs").write_bytes(b"of something else")
    target = path.with_name("out.csg")
    if group is not None:
        target.write_text(group)
    before = contents(path.parent)
    with pytest.raises(
        InputError, match=r"out\.cs: is there already.*Give the result another name"
    ):
        convert_particles(path, target)
    assert contents(path.parent) == before
