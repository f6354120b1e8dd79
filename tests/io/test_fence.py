"""Names in tables do not lead out of the folders that are allowed."""

from pathlib import Path

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.cs_group import write_group
from locref_widgets.io.particles import read_particles
from tests.io.cs_files import COUNT, save


def named(recipe, name: str) -> Path:
    """A table in ``project`` that names its stack so; the stack lies beside that folder."""
    project = recipe.folder / "project"
    project.mkdir(exist_ok=True)
    names = recipe.particles["rlnImageName"]
    recipe.particles["rlnImageName"] = [n.partition("@")[0] + "@" + name for n in names]
    star = recipe.write()
    return star.rename(project / star.name)


@pytest.mark.parametrize("absolute", [False, True])
def test_a_name_does_not_lead_out_of_the_root_that_is_given(recipe, absolute):
    outside = recipe.folder / "stack.mrcs"
    star = named(recipe, str(outside) if absolute else "../stack.mrcs")
    with pytest.raises(InputError, match=r"row 1 names the stack .*lies outside .*project"):
        read_particles(star, root=star.parent)
    # With a folder above both as root, a name from there or an absolute one.
    if absolute:
        assert len(read_particles(star, root=recipe.folder)) == len(recipe.images)
    # Within it is whatever its owner has linked there.
    (star.parent / "linked").symlink_to(recipe.folder)
    star = named(recipe, "linked/stack.mrcs")
    assert len(read_particles(star, root=star.parent)) == len(recipe.images)


@pytest.mark.parametrize("name", ["/etc/passwd", "../../etc/passwd", "linked/stack.mrcs"])
def test_nothing_is_opened_outside_the_folders_of_a_service(recipe, name, monkeypatch):
    star = named(recipe, name)
    (star.parent / "linked").symlink_to(recipe.folder)
    monkeypatch.setenv("LOCREF_DATA_ROOTS", f"{star.parent}:{recipe.folder / 'more'}")
    with pytest.raises(InputError, match="outside the folders that data may be read from"):
        read_particles(star)
    # Whatever root is named.
    with pytest.raises(InputError, match="outside"):
        read_particles(star, root=star.parent)


def test_a_step_up_behind_a_link_counts_from_where_the_link_leads(recipe):
    elsewhere = recipe.folder / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    star = named(recipe, "linked/../stack.mrcs")
    (recipe.folder / "stack.mrcs").rename(elsewhere / "stack.mrcs")
    (star.parent / "linked").symlink_to(elsewhere / "deep")
    with pytest.raises(InputError, match="lies outside"):
        read_particles(star, root=star.parent)


def test_what_lies_within_one_of_these_folders_is_opened(recipe, monkeypatch):
    star = named(recipe, "../stack.mrcs")
    monkeypatch.setenv("LOCREF_DATA_ROOTS", f"/nowhere:{recipe.folder}")
    assert len(read_particles(star)) == len(recipe.images)


def test_tables_and_stacks_of_cryosparc_are_held_back_likewise(cs_recipe, monkeypatch):
    cs_recipe.write()
    folder = cs_recipe.folder / "exported"
    folder.mkdir()
    stack = cs_recipe.folder / "J1" / "stack.mrcs"
    cs_recipe.fields["blob/path"] = np.array([f"{stack}".encode()] * COUNT)
    save(cs_recipe.folder / "away.cs", cs_recipe.fields)
    save(folder / "a.cs", cs_recipe.fields)
    write_group(folder / "a.csg", cs_recipe.fields, COUNT)
    assert len(read_particles(folder / "a.csg")) == COUNT
    with pytest.raises(InputError, match=r"lies outside .*exported"):
        read_particles(folder / "a.csg", root=folder)
    monkeypatch.setenv("LOCREF_DATA_ROOTS", str(folder))
    with pytest.raises(InputError, match="outside the folders that data may be read from"):
        read_particles(folder / "a.csg")
    group = (folder / "a.csg").read_text().replace(">a.cs", ">../away.cs")
    (folder / "a.csg").write_text(group)
    with pytest.raises(InputError, match=r"a\.csg: results/.*outside the folders"):
        read_particles(folder / "a.csg")
