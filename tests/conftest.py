"""What every test may use: data, programs, random numbers, and a quiet JAX on the CPU.

The environment is set before anything imports JAX. With ``CI=true`` a test that would be skipped
(a program or the real data is not there) fails instead: on that machine nothing may go untested.
"""

import gc
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

if TYPE_CHECKING:
    from tests.blobs import BlobSet

REPOSITORY = Path(__file__).resolve().parents[1]
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

COMPILE_CACHE = REPOSITORY / ".cache" / "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILE_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
os.environ.setdefault("LOCREF_COMPILE_CACHE", str(COMPILE_CACHE))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # XLA remarks on every cached program it loads
os.environ.setdefault("MPLBACKEND", "agg")

# Runs of tests take turns only with those of the same process.
_QUEUE = tempfile.TemporaryDirectory(prefix="locref_queue_")
os.environ["LOCREF_QUEUE"] = _QUEUE.name

DATA_DEFAULT = REPOSITORY.parent / "shared" / "data"


def _failed_instead_of_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"In CI nothing is skipped, and this was: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport]:
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        _failed_instead_of_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport]:
    report = yield
    if IN_CI and report.skipped:
        _failed_instead_of_skipped(report)
    return report


LONG_FILES = (
    "test_kill_real.py",
    "test_devices.py",
    "07_cluster.ipynb",
    "test_real_refinement.py",
    "test_search.py",
    "test_searches.py",
    "test_polish.py",
    "test_sweep.py",
    "05_tuning_by_sweeps.ipynb",
    "06_your_own_data.ipynb",
    "test_faults.py",
    "test_executors.py",
)
"""Of a minute and more: begun last they would leave all workers but one idle at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first; the others in their order."""
    places = {name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG_FILES)))


MOST_RESIDENT_GB = 4.0
"""A worker that holds more than this gives its compiled programs back between modules."""


@pytest.fixture(scope="module", autouse=True)
def _few_programs_in_memory() -> Generator[None]:
    """Programs stay in memory after their module, where few others need them; the disc has them."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None and psutil.Process().memory_info().rss > MOST_RESIDENT_GB * 1e9:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real and reference data (``LOCREF_TEST_DATA``); skips where it is absent."""
    folder = Path(os.environ.get("LOCREF_TEST_DATA", DATA_DEFAULT))
    if not (folder / "README.md").is_file():
        pytest.skip(f"no test data in {folder}: set LOCREF_TEST_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """``program("relion_reconstruct")`` is the path of a program; skips where it is absent."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"the program {name} is not installed")
        return path

    return find


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A number of the test's own: the same at every run and in every order of the tests."""
    return zlib.crc32(request.node.nodeid.encode())


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    """NumPy's generator, seeded by the test's name."""
    return np.random.default_rng(seed)


@pytest.fixture
def getkey(seed: int) -> Callable[[], object]:
    """Every call returns a fresh JAX key, the same ones at every run."""
    import jax

    key = jax.random.key(seed)

    def next_key() -> object:
        nonlocal key
        key, fresh = jax.random.split(key)
        return fresh

    return next_key


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    """Where a run folder may be made; it does not exist yet."""
    return tmp_path / "run"


@pytest.fixture(scope="session")
def blob_set(tmp_path_factory: pytest.TempPathFactory) -> "BlobSet":
    """300 images (32 px, 6 Å/px) of Gaussian blobs with CTF, shifts, half-sets and STAR file."""
    from tests.blobs import write_blob_set

    return write_blob_set(
        tmp_path_factory.mktemp("blobs"),
        np.random.default_rng(1),
        n=300,
        box_px=32,
        pixel_size_angstrom=6.0,
        noise=1.0,
    )


@pytest.fixture(scope="session")
def hinged_blob_set(tmp_path_factory: pytest.TempPathFactory) -> "BlobSet":
    """400 images (40 px, 5 Å/px) of two bodies of blobs, the smaller turned by up to 12 degrees."""
    from tests.blobs import Blobs, Hinge, random_blobs, write_blob_set

    rng = np.random.default_rng(2)
    large = random_blobs(rng, count=25, radius_angstrom=38.0)
    small = random_blobs(rng, count=15, radius_angstrom=26.0)
    large_centres = large.centres_angstrom + np.array([-18.0, 8.0, 0.0])
    small_centres = small.centres_angstrom + np.array([42.0, -6.0, 5.0])
    return write_blob_set(
        tmp_path_factory.mktemp("hinged_blobs"),
        rng,
        n=400,
        box_px=40,
        pixel_size_angstrom=5.0,
        noise=0.4,
        blobs=Blobs(large_centres, large.sigmas_angstrom, large.masses),
        hinge=Hinge(
            Blobs(small_centres, small.sigmas_angstrom, small.masses),
            fulcrum_angstrom=np.array([15.0, 0.0, 2.0]),
            largest_deg=12.0,
        ),
    )
