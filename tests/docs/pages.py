"""The code blocks of a page, and what is done with each to see that it works."""

import ast
import asyncio
import inspect
import json
import re
import shlex
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from locref_widgets.cli import app
from locref_widgets.masks.recipe import MaskRecipe
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.slurm_file import SlurmFile
from locref_widgets.runs.sweep_grid import read_grid
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
_FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

README = REPOSITORY / "README.md"
IN_A_SMALLER_BOX = {"64, 82, 55": "24, 31, 21"}
"""The README's numbers are those of a box of 128 voxels, the tiny data set's box has 48."""

PARSED_ONLY = {"lab", "demo", "pause", "continue", "stop", "sweep"}
"""Commands that open JupyterLab, take minutes, or need a run that is alive."""
ELSEWHERE = ("dask:", "slurm:")
"""Arguments that need a cluster."""


@dataclass(frozen=True)
class Block:
    """A fenced block, and the line of the page that its text begins on."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def pages() -> list[Path]:
    """Every page of the documentation that is written by hand, and the README."""
    return [README, *sorted(DOCS.rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        line = text.count("\n", 0, fence.start(2)) + 1
        found.append(Block(page, line, fence[1] or _guess(fence[2]), fence[2]))
    return found


def _guess(text: str) -> str:
    """Blocks without a language: shell if they begin as such, else text."""
    return "bash" if text.split(maxsplit=1)[0] in ("locref", "make", "pip", "mkdir") else "text"


class Runner:
    """Runs the blocks of one page one after the other, in the current folder."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}

    def run(self, block: Block) -> None:
        do = {
            "python": self._python,
            "bash": self._shell,
            "yaml": self._yaml,
            "json": lambda block: json.loads(block.text),
            "text": lambda _: None,
        }
        assert block.language in do, f"{block.place}: no way to run {block.language!r}"
        do[block.language](block)

    def _python(self, block: Block) -> None:
        # Empty lines before, so that a traceback names the page's own lines.
        text = block.text
        if block.page == README:
            for large, small in IN_A_SMALLER_BOX.items():
                text = text.replace(large, small)
        source = "\n" * (block.line - 1) + text
        code = compile(source, block.place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, self.names))  # noqa: S307 - a page of ours
        else:
            exec(code, self.names)  # noqa: S102 - a page of ours

    def _yaml(self, block: Block) -> None:
        values = yaml.safe_load(block.text)
        if "workers" in values:
            _check_slurm_file(block.text, values)
        elif "steps" in values:
            Path("mask.recipe.yaml").write_text(block.text)
            MaskRecipe.from_yaml(block.text)
        elif all(isinstance(tried, list) for tried in values.values()):
            Path("grid.yaml").write_text(block.text)
            read_grid("grid.yaml")
        else:
            Path("settings.yaml").write_text(block.text)
            RefinementSettings.from_yaml(block.text)

    def _shell(self, block: Block) -> None:
        lines = block.text.replace("\\\n", " ").splitlines()
        commands = [words for line in lines if (words := shlex.split(line, comments=True))]
        if any(words[0] in _CHECKS for words in commands):
            for words in commands:
                _CHECKS[words[0]](words, block.place, block.page)
            return
        done = subprocess.run(
            ["bash", "-euc", block.text], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{block.place}: {done.stderr}"


def _check_slurm_file(text: str, values: dict[str, Any]) -> None:
    """The certificates that it names are made further below on the page."""
    folder = Path("checked")
    for name in (values.get("tls") or {}).values():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    folder.mkdir(exist_ok=True)
    path = folder / "slurm.yaml"
    path.write_text(text)
    SlurmFile.load(path)


def _check_make(words: list[str], place: str, _: Path) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), f"{place}: no target {words[1]}"


def _check_pip(words: list[str], place: str, _: Path) -> None:
    assert words[1] == "install", place
    assert _is_installable(words[2]), f"{place}: {words[2]} cannot be installed"


def _check_dask(words: list[str], place: str, _: Path) -> None:
    """Started, they would listen until killed."""
    assert words[1] in ("scheduler", "worker"), f"{place}: {words}"


def _is_installable(what: str) -> bool:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    name, _, extras = what.partition("[")
    known = set(project["optional-dependencies"])
    return (
        name in (project["name"], ".") and set(filter(None, extras.strip("]").split(","))) <= known
    )


def _run_locref(line: list[str], place: str, page: Path) -> None:
    words = line[1:]
    said = f"{place}: locref {shlex.join(words)}"
    group = typer.main.get_command(app)
    with group.make_context("locref", list(words), resilient_parsing=True) as context:
        command = group.get_command(context, words[0])  # pyright: ignore[reportAttributeAccessIssue]
        assert command is not None, said
        # Fails on a flag that there is not.
        command.make_context(words[0], list(words[1:]), parent=context)
    # The README's commands are about the reader's files: regions by number, levels, models.
    if page == README or words[0] in PARSED_ONLY:
        return
    if any(word.startswith(ELSEWHERE) for word in words):
        return
    with pytest.raises(SystemExit) as ended:
        app(words, prog_name="locref")
    assert not ended.value.code, f"{said} ended with {ended.value.code}"


_CHECKS = {"locref": _run_locref, "make": _check_make, "pip": _check_pip, "dask": _check_dask}
"""What is done with a command, by the program that it starts; all others are run by bash."""
