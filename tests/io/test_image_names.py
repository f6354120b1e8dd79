"""Names of images: written anew for other stacks, and those of originals found again."""

from pathlib import Path

import numpy as np

from locref_widgets.io.images import ImageNames, open_images, renamed_tokens
from locref_widgets.io.particles import read_particles
from locref_widgets.io.subtracted_table import ORIGINAL, revert_blocks


def test_only_tokens_of_renamed_stacks_change() -> None:
    tokens = ["0007@a.mrcs", "c.mrcs", "3@b.mrcs", "2@a.mrcs"]
    names = ImageNames.parse(tokens, Path("a.star"))
    assert names.names == ["a.mrcs", "c.mrcs", "b.mrcs"]
    new = ["up/a.mrcs", "up/c.mrcs", "b.mrcs"]
    assert renamed_tokens(tokens, names.which, names.names, new) == [
        "0007@up/a.mrcs",
        "1@up/c.mrcs",
        "3@b.mrcs",
        "2@up/a.mrcs",
    ]
    assert renamed_tokens(tokens, names.which, names.names, names.names) == tokens


def test_names_start_from_the_folders_given(recipe, tmp_path: Path) -> None:
    star = recipe.write()
    (tmp_path / "aside").mkdir()
    (tmp_path / "stack.mrcs").rename(tmp_path / "aside" / "stack.mrcs")
    names = ImageNames.parse(recipe.particles["rlnImageName"], star)
    images = open_images(names, star, folders=[tmp_path / "none", tmp_path / "aside"])
    assert [stack.path for stack in images.stacks] == [tmp_path / "aside" / "stack.mrcs"]


def test_originals_named_as_relion_opens_them_are_found(recipe, tmp_path: Path) -> None:
    """From the subtracted stack's folder, for the table was written far away from both."""
    project, away = tmp_path / "project", tmp_path / "away"
    for folder in (project, away):
        folder.mkdir()
    names = recipe.particles["rlnImageName"]
    recipe.particles[ORIGINAL] = [name.replace("stack.mrcs", "orig.mrc:mrcs") for name in names]
    star = recipe.write()
    (tmp_path / "stack.mrcs").rename(project / "stack.mrcs")
    (project / "orig.mrc").write_bytes((project / "stack.mrcs").read_bytes())
    table = star.read_text().replace("@stack.mrcs", f"@{project / 'stack.mrcs'}")
    (away / "run.star").write_text(table)
    star.unlink()
    blocks, warnings = revert_blocks(away / "run.star", away)
    assert blocks["particles"].strings("rlnImageName")[0] == "000001@../project/orig.mrc:mrcs"
    assert len(warnings) == 1  # that it does not say how the boxes were placed
    given = read_particles(away / "run.star", need_half_sets=False)
    np.testing.assert_array_equal(given.images(np.array([3]))[0], recipe.images[3])
