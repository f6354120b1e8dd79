"""Ten real images of TRPV1 (EMPIAR-10059) know the sign of the shift and of the CTF."""

from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile

from tests.interop.projections import correlations, ctf_of, project, rotations_of


@pytest.fixture(scope="module")
def trpv1(shared_data: Path) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray, np.ndarray]:
    folder = shared_data / "particles" / "empiar10059_trpv1_10"
    star = starfile.read(folder / "trpv1_small_stack_resolved.star", always_dict=True)
    images = mrcfile.read(folder / "trpv1_small_stack.mrcs")
    return star["particles"], star["optics"], images, mrcfile.read(folder / "trpv1_volume.mrc")


def mean_correlation(
    trpv1: tuple[pd.DataFrame, pd.DataFrame, np.ndarray, np.ndarray], shift_sign: int
) -> float:
    table, optics, images, volume = trpv1
    pixel_size = float(optics["rlnImagePixelSize"].iloc[0])
    origins = table[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy(float) / pixel_size
    coefficients, disc = project(
        volume,
        rotations_of(table),
        shift_sign * origins,
        box_px=images.shape[-1],
        ctf=ctf_of(table, optics),
        pixel_size_angstrom=pixel_size,
    )
    return float(correlations(coefficients, images, disc).mean())


def test_real_images_agree_with_our_projections(trpv1) -> None:
    # 0.19 is what an independent program measured over all frequencies; the corners beyond our disc
    # hold little but noise, so that ours lies above it (0.205).
    assert mean_correlation(trpv1, shift_sign=1) == pytest.approx(0.19, abs=0.02)


def test_real_images_refute_the_other_sign_of_the_shift(trpv1) -> None:
    assert abs(mean_correlation(trpv1, shift_sign=-1)) < 0.05
