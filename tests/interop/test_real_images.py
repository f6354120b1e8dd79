"""Ten real images of TRPV1 (EMPIAR-10059) know the sign of the shift and of the CTF."""

from pathlib import Path

import numpy as np
import pytest

from locref_widgets.io.mrc import Map, read_map
from locref_widgets.io.particles import Particles, read_particles
from tests.interop.projections import correlations, project


@pytest.fixture(scope="module")
def trpv1(shared_data: Path) -> tuple[Particles, Map]:
    folder = shared_data / "particles" / "empiar10059_trpv1_10"
    particles = read_particles(folder / "trpv1_small_stack_resolved.star")
    return particles, read_map(folder / "trpv1_volume.mrc")


def mean_correlation(trpv1: tuple[Particles, Map], shift_sign: int) -> float:
    particles, volume = trpv1
    pixel_size = particles.pixel_size_angstrom
    coefficients, disc = project(
        volume.data,
        particles.rotations,
        shift_sign * particles.origins_angstrom / pixel_size,
        box_px=particles.box_px,
        ctf=particles.ctf,
        pixel_size_angstrom=pixel_size,
    )
    images = particles.images(np.arange(len(particles)))
    return float(correlations(coefficients, images, disc).mean())


def test_real_images_agree_with_our_projections(trpv1: tuple[Particles, Map]) -> None:
    # 0.19 is what an independent program measured over all frequencies; the corners beyond our disc
    # hold little but noise, so that ours lies above it (0.205).
    assert mean_correlation(trpv1, shift_sign=1) == pytest.approx(0.19, abs=0.02)


def test_real_images_refute_the_other_sign_of_the_shift(trpv1: tuple[Particles, Map]) -> None:
    assert abs(mean_correlation(trpv1, shift_sign=-1)) < 0.05
