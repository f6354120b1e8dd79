from pathlib import Path

import pytest

from tests.runs.fake_job import Job, read_job, write_job


@pytest.fixture(scope="session")
def job_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Particles, map and mask of a small job."""
    folder = tmp_path_factory.mktemp("job")
    write_job(folder)
    return folder


@pytest.fixture
def job(job_folder: Path) -> Job:
    return read_job(job_folder)


@pytest.fixture
def real_report() -> None:
    """Ask for the report itself, which takes longer than all else in these runs."""


@pytest.fixture(autouse=True)
def quick_report(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write an empty report, unless the test asks for a real one."""
    if "real_report" in request.fixturenames:
        return

    def write(folder: Path) -> Path:
        path = Path(folder) / "final" / "report.html"
        path.write_text("<html></html>")
        return path

    monkeypatch.setattr("locref_widgets.figures.report.write_report", write)
