"""A stack's name with the sign > starts from the folder of its file, and follows it elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from locref_widgets.io.convert import convert_particles
from locref_widgets.io.cs import read_cs
from locref_widgets.io.cs_group import write_group
from locref_widgets.io.particles import read_particles
from tests.io.cs_files import COUNT, CsRecipe, save


@pytest.fixture
def exported(cs_recipe: CsRecipe) -> Path:
    """A group as cryoSPARC exports it: its table and its stack in one folder."""
    cs_recipe.write()
    folder = cs_recipe.folder / "exp"
    (folder / "sub").mkdir(parents=True)
    (cs_recipe.folder / "J1" / "stack.mrcs").rename(folder / "particles.mrcs")
    cs_recipe.fields["blob/path"] = np.array([b">particles.mrcs"] * COUNT)
    save(folder / "a.cs", cs_recipe.fields)
    write_group(folder / "a.csg", cs_recipe.fields, COUNT)
    return folder / "a.csg"


def stack_names(path: Path) -> set[bytes]:
    return set(read_cs(path).columns["blob/path"].tolist())


@pytest.mark.parametrize("source", ["a.cs", "a.csg"])
@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("exp/sub/b.csg", b">../particles.mrcs"),
        ("exp/sub/b.cs", b"../particles.mrcs"),
        ("J24/b.csg", b">../exp/particles.mrcs"),
        ("J24/b.cs", b"../exp/particles.mrcs"),
        ("exp/b.csg", b">particles.mrcs"),
        ("exp/b.cs", b">particles.mrcs"),
    ],
)
def test_converted(exported: Path, source: str, target: str, name: bytes) -> None:
    given = exported.with_name(source)
    path = exported.parents[1] / target
    convert_particles(given, path)
    assert stack_names(path) == {name}
    # As cryoSPARC follows it: from the folder of the file, not from one above it.
    assert (path.parent / name.decode().removeprefix(">")).samefile(given.parent / "particles.mrcs")
    rows = np.arange(COUNT)
    np.testing.assert_array_equal(
        read_particles(path).images(rows), read_particles(given).images(rows)
    )


def test_a_stack_that_is_not_there(exported: Path) -> None:
    exported.with_name("particles.mrcs").unlink()
    convert_particles(exported, exported.parent / "sub" / "b.csg")
    assert stack_names(exported.parent / "sub" / "b.csg") == {b">../particles.mrcs"}


def test_another_stack_of_the_same_name_nearer_to_the_target(exported: Path) -> None:
    (exported.parent / "sub" / "particles.mrcs").write_bytes(b"of something else")
    convert_particles(exported, exported.parent / "sub" / "b.csg")
    assert stack_names(exported.parent / "sub" / "b.csg") == {b">../particles.mrcs"}


def test_rows_without_the_sign_keep_their_names(exported: Path, cs_recipe: CsRecipe) -> None:
    names = np.array([b">particles.mrcs", b"exp/particles.mrcs"] * (COUNT // 2))
    save(exported.with_suffix(".cs"), cs_recipe.fields | {"blob/path": names})
    target = exported.parent / "sub" / "b.csg"
    convert_particles(exported, target)
    written = read_cs(target).columns["blob/path"].tolist()
    assert written == [b">../particles.mrcs", b"exp/particles.mrcs"] * (COUNT // 2)


def test_written_by_particles(exported: Path) -> None:
    """As into the folder of a run below the exported group, and beside the group's own file."""
    particles = read_particles(exported).take(np.array([4, 1]))
    final = exported.parent / "run" / "final"
    final.mkdir(parents=True)
    particles.write_cs(final / "particles.cs")
    assert stack_names(final / "particles.cs") == {b"../../particles.mrcs"}
    particles.write_cs(exported.with_name("some.cs"))
    assert stack_names(exported.with_name("some.cs")) == {b">particles.mrcs"}
    again = read_particles(final / "particles.cs")
    np.testing.assert_array_equal(again.images(np.arange(2)), particles.images(np.arange(2)))
