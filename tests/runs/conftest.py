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
