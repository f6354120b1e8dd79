"""The report: self-contained, whole for every state of a run, and right in what it says."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from locref_widgets.errors import InputError
from locref_widgets.figures.headline import findings
from locref_widgets.figures.report import write_report
from locref_widgets.figures.run_data import load_run
from tests.figures.demo_run import N_PARTICLES, write_demo_run

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """Collects text, links and alt texts, and checks that every element is closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.figures: list[str] = []
        self.text: list[str] = []
        self.identifiers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(attrs)

    def _note(self, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.links += [given[name] for name in ("href", "src", "xlink:href") if name in given]
        if given.get("class") == "figure":
            self.figures.append(given["aria-label"])
        if "id" in given:
            self.identifiers.append(given["id"])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Report of a finished run."""
    return write_report(write_demo_run(tmp_path_factory.mktemp("runs") / "head & <tail>"))


def told_by(run: Path) -> str:
    return " ".join(f"{item.finding} {item.action}" for item in findings(load_run(run)))


def test_a_finished_run_is_reported_whole(report: Path) -> None:
    assert report.parts[-2:] == ("final", "report.html")
    reader = read(report)
    assert len(reader.figures) == 7
    assert all(len(description) > 30 for description in reader.figures)
    text = " ".join(reader.text)
    for expected in (
        f"{N_PARTICLES:,} particles",
        "head & <tail>",
        "The region is sharper",
        "20.1°",
    ):
        assert expected in text
    assert "2 particles have constant images" in text
    assert "3f5a9c07" * 8 in text
    assert "0.10.1" in text


def test_nothing_is_fetched_from_elsewhere(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    links = read(report).links
    assert links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert "<script" not in text
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_identifiers_are_unique_and_references_resolve(report: Path) -> None:
    reader = read(report)
    assert len(set(reader.identifiers)) == len(reader.identifiers)
    targets = {link[1:] for link in reader.links if link.startswith("#")}
    assert targets <= set(reader.identifiers)


def test_figures_are_well_formed_and_follow_the_theme(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    figures = re.findall(r'<svg class="figure".*?</svg>', text, flags=re.DOTALL)
    for figure in figures:
        ET.fromstring(figure)  # noqa: S314 our own text
        assert "var(--fig-ink)" in figure
    light, dark = re.findall(r"--fig-ink: (#\w+);", text)
    assert light != dark


def test_many_particles_at_the_bound_are_named_with_a_cure(tmp_path: Path) -> None:
    text = told_by(write_demo_run(tmp_path / "run", at_bound=0.3))
    # 2,500 draws at 0.3: the share is 0.30 +- 0.009.
    assert re.search(r"(2[6-9]|3[0-4]) % of the particles ended at the search's bound", text)
    # Half as much again as the demo's 0.35 rad; the shifts of the demo stay clear of their limit.
    assert "rotation extent 0.52 rad" in text
    assert "shift extent" not in text


def test_few_particles_at_the_bound_need_nothing(tmp_path: Path) -> None:
    text = told_by(write_demo_run(tmp_path / "run", at_bound=0.005))
    assert "The search was wide enough" in text
    assert "run again" not in text.lower()


@pytest.mark.parametrize(("iterations", "status"), [(0, "stopped"), (2, "failed")])
def test_an_unfinished_run_is_reported_beside_its_events(
    tmp_path: Path, iterations: int, status: str
) -> None:
    run = write_demo_run(tmp_path / "run", iterations=iterations, status=status)
    path = write_report(run)
    assert path == run / "report.html"
    reader = read(path)
    # Before a search there are no changes of pose to draw.
    assert len(reader.figures) == (3 if iterations == 0 else 7)
    assert ("The poses" in reader.text) == (iterations > 0)


def test_a_run_that_only_began_or_lost_its_last_line_is_reported(tmp_path: Path) -> None:
    run = write_demo_run(tmp_path / "run", iterations=1, status="lost")
    events = run / "events.jsonl"
    lines = events.read_text().splitlines(keepends=True)
    events.write_text("".join(lines[:2]) + lines[2][:40])
    reader = read(write_report(run))
    assert reader.figures == []
    assert "No iteration has finished yet" in " ".join(reader.text)


def test_the_reason_of_a_failure_is_told(tmp_path: Path) -> None:
    run = write_demo_run(tmp_path / "run", iterations=1, status="failed")
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "message": "disc full"}))
    assert "disc full" in told_by(run)
    assert "resume" not in told_by(run)


def test_a_run_that_can_go_on_says_how(tmp_path: Path) -> None:
    assert "--resume" in told_by(write_demo_run(tmp_path / "run", iterations=1, status="stopped"))


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
