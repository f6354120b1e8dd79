"""Every code block of the README and of the documentation runs, in the order of its page.

Commands run in this process on a tiny data set. Refinements have a stand-in for the search itself
(tests/runs/fake_job.py): everything around it, files in and out, is real.
"""

from pathlib import Path

import pytest

import locref_widgets as lw
from tests.conftest import REPOSITORY
from tests.docs.pages import Runner, blocks_of, pages

WITH_BLOCKS = [page for page in pages() if blocks_of(page)]

NEED_A_RUN = {"steering.md", "events.md", "read_the_report.md", "run_folder.md"}
"""Pages that speak of a run in runs/a that is there already."""


@pytest.mark.parametrize(
    "path", WITH_BLOCKS, ids=[str(page.relative_to(REPOSITORY)) for page in WITH_BLOCKS]
)
def test_every_code_block_of_a_page_runs(
    path: Path, example_folder: Path, quick_refinement: None
) -> None:
    if path.name in NEED_A_RUN:
        make_run(example_folder)
    runner = Runner()
    for block in blocks_of(path):
        runner.run(block)


def make_run(folder: Path) -> None:
    lw.refine(
        lw.read_particles(folder / "particles.star"),
        lw.read_map(folder / "map.mrc"),
        lw.read_map(folder / "mask.mrc"),
        lw.RefinementSettings(fulcrum="mask", iterations=4),
        folder / "runs" / "a",
        progress=False,
    )


def test_every_block_says_its_language() -> None:
    for page in pages():
        if page.name != "README.md":
            for fence in page.read_text(encoding="utf-8").split("\n```")[1::2]:
                assert fence.split("\n")[0].strip(), f"{page}: {fence[:60]!r}"
