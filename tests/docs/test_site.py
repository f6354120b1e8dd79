"""The site builds strictly, loads nothing from elsewhere, and leaves nothing out."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer

import locref_widgets
from locref_widgets.cli import app
from locref_widgets.refinement.settings import setting_options
from tests.conftest import REPOSITORY

_LOADING = {"src", "data", "poster", "srcset"}
"""Attributes of which a browser loads what they name."""


class Page(HTMLParser):
    """Collects what a page loads, its identifiers and its formulas."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.identifiers: set[str] = set()
        self.links: list[str] = []
        self.formulas = 0
        self.text: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.loaded += [given[name] for name in _LOADING & set(given)]
        if tag == "link" and given.get("rel") != "canonical":
            self.loaded.append(given.get("href", ""))
        elif tag == "a":
            self.links.append(given.get("href", ""))
        self.identifiers |= {given[name] for name in ("id", "name") if name in given}
        self.formulas += tag == "math"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def read(site: Path) -> dict[str, Page]:
    """Every page by its name."""
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


def test_no_page_loads_anything_from_elsewhere(site: Path, read: dict[str, Page]) -> None:
    for name, page in read.items():
        elsewhere = [what for what in page.loaded if re.match(r"(\w+:)?//", what)]
        assert not elsewhere, f"{name} loads {elsewhere}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(\w+:)?//", style.read_text(encoding="utf-8")), style
    # The index for pages that are opened from a disc.
    assert (site / "search" / "search_index.js").stat().st_size > 100_000


def test_every_public_name_is_in_the_reference(read: dict[str, Page]) -> None:
    told = read["reference/python.html"].identifiers
    missing = [
        name
        for name in locref_widgets.__all__
        if not name.startswith("_") and not any(path.endswith(f".{name}") for path in told)
    ]
    assert not missing


def test_every_setting_and_every_command_is_in_the_reference(read: dict[str, Page]) -> None:
    settings = read["reference/settings.html"].identifiers
    assert {option.name for option in setting_options()} <= settings
    group = typer.main.get_command(app)
    commands = set(group.list_commands(None))  # pyright: ignore
    assert commands <= read["reference/command_line.html"].identifiers
    text = " ".join(read["reference/command_line.html"].text)
    for option in setting_options():
        assert option.flag in text


def test_formulas_are_mathml_and_notebooks_are_pages(read: dict[str, Page]) -> None:
    assert read["explanation/model_and_likelihood.html"].formulas > 20
    for name, page in read.items():
        assert "arithmatex" not in " ".join(page.text), name
        assert r"\(" not in "".join(page.text).replace(r"\(\)", ""), name
    for notebook in (REPOSITORY / "notebooks").glob("*.ipynb"):
        assert f"tutorials/{notebook.stem}.html" in read


def test_links_within_the_site_lead_somewhere(site: Path, read: dict[str, Page]) -> None:
    for name, page in read.items():
        if name == "404.html":
            continue
        for link in page.links:
            if not link or re.match(r"\w+:", link):
                continue
            file, _, anchor = link.partition("#")
            target = (site / name).parent / file if file else site / name
            assert target.resolve().is_file(), f"{name}: {link}"
            known = target.resolve().relative_to(site.resolve()).as_posix()
            if anchor and known in read and not anchor.startswith("__"):
                assert anchor in read[known].identifiers, f"{name}: {link}"
