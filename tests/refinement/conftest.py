"""What the tests of subtraction share."""

import pytest

from tests.refinement.two_bodies import TwoBodies, write_two_bodies


@pytest.fixture(scope="session")
def two_bodies(tmp_path_factory: pytest.TempPathFactory) -> TwoBodies:
    """240 noisy images (40 px, 5 Å/px; signal/noise 0.25) of two bodies, one hinged."""
    folder = tmp_path_factory.mktemp("two_bodies")
    return write_two_bodies(folder, n=240, noise=2.0, largest_deg=12.0)
