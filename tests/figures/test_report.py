"""The report: self-contained, whole for every state of a run, and right in what it says."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

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


def all_of(run: Path) -> str:
    return " ".join(read(write_report(run)).text)


def test_a_finished_run_is_reported_whole(report: Path) -> None:
    assert report.parts[-2:] == ("final", "report.html")
    reader = read(report)
    assert len(reader.figures) == 10
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


def fulcrum_estimate(**changes: Any) -> dict[str, Any]:
    """What run.json holds of a fulcrum 6 Å from the one the demo used."""
    return {
        "is_offered": True,
        "reason": "it is known to 1.6 Å or better along every axis",
        "point_angstrom": [-2.0, 21.0, 10.7],
        "point_voxels": [23.5, 29.25, 26.68],
        "standard_error_angstrom": [1.2, 1.4, 1.6],
        "worst_error_angstrom": 1.6,
        "worst_axis": [0.0, 0.0, 1.0],
        "n_used": 2380,
        "n_particles": N_PARTICLES,
        "residual_angstrom": 2.46,
        "explained_fraction": 0.62,
        "systematic_error_angstrom": 0.8,
        "drift_angstrom": [0.1, 0.0, -0.1],
        "turn_median_deg": 7.2,
        "reliability": 0.93,
        "used_angstrom": [0.0, 18.0, 6.0],
        "used_voxels": [24.0, 28.5, 25.5],
        "distance_angstrom": 5.93,
        "agrees": False,
    } | changes


def reported(folder: Path, estimate: dict[str, Any]) -> tuple[str, str]:
    """Text of the whole report, and of its findings."""
    run = write_demo_run(folder, summary={"fulcrum_estimate": estimate})
    return " ".join(read(write_report(run)).text), told_by(run)


def test_a_fulcrum_off_the_one_used_is_told_in_both_units_with_its_setting(tmp_path: Path) -> None:
    text, findings_text = reported(tmp_path / "run", fulcrum_estimate())
    fitted = "(-2.0, 21.0, 10.7) Å = (23.5, 29.2, 26.7) voxels, ± (1.2, 1.4, 1.6) Å"
    used = "(0.0, 18.0, 6.0) Å = (24.0, 28.5, 25.5) voxels, 5.9 Å away"
    for told in (text, findings_text):
        assert fitted in told
        assert used in told
        assert "--fulcrum-angstrom=-2.0,21.0,10.7" in told
        assert "may have displaced it" not in told
    assert "2,380 of 2,500 particles" in text
    assert "62 %" in text


def test_a_fulcrum_that_explains_little_is_told_with_caution(tmp_path: Path) -> None:
    little = fulcrum_estimate(explained_fraction=0.29, systematic_error_angstrom=9.2)
    _, findings_text = reported(tmp_path / "run", little)
    assert "may have displaced it by some 9 Å" in findings_text


def test_a_fulcrum_that_agrees_needs_nothing(tmp_path: Path) -> None:
    text, findings_text = reported(tmp_path / "run", fulcrum_estimate(agrees=True))
    assert "It agrees with the one that the run used" in text
    assert "--fulcrum-angstrom" not in text
    assert "Fulcrum fitted" not in findings_text


def test_a_fulcrum_that_is_unknown_is_told_with_the_reason(tmp_path: Path) -> None:
    reason = "the particles hardly turned against one another (median turn 0.4°)"
    text, findings_text = reported(tmp_path / "run", {"is_offered": False, "reason": reason})
    assert "No fulcrum is offered from the pose changes. The particles hardly turned" in text
    assert "fulcrum is offered" not in findings_text


@pytest.mark.parametrize(("iterations", "status"), [(0, "stopped"), (2, "failed")])
def test_an_unfinished_run_is_reported_beside_its_events(
    tmp_path: Path, iterations: int, status: str
) -> None:
    run = write_demo_run(tmp_path / "run", iterations=iterations, status=status)
    path = write_report(run)
    assert path == run / "report.html"
    reader = read(path)
    # Before a search there are no changes of pose to draw.
    assert len(reader.figures) == (4 if iterations == 0 else 9)
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


def test_the_checks_of_the_mask_and_the_steps_that_made_it_are_told(tmp_path: Path) -> None:
    run = write_demo_run(tmp_path / "run", iterations=1)
    record = json.loads((run / "run.json").read_text())
    record["inputs"]["mask"] |= {
        "checks": [{"name": "islands", "state": "warning", "text": "In 2 pieces & dust."}],
        "recipe": {"version": 1, "steps": [{"tool": "lowpass", "resolution_angstrom": 12.0}]},
    }
    (run / "run.json").write_text(json.dumps(record))
    told = all_of(run)
    assert "In 2 pieces & dust." in told
    assert "low-pass to 12 Å" in told
    # A step of a later version is not understood, and the rest is told all the same.
    record["inputs"]["mask"]["recipe"]["steps"] = [{"tool": "melt"}]
    (run / "run.json").write_text(json.dumps(record))
    assert "In 2 pieces & dust." in all_of(run)
