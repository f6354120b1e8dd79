"""Our projector, poses, shifts and CTF against images made by relion_project."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile

from tests.interop.projections import correlations, ctf_of, project, rotations_of


@pytest.fixture(scope="module")
def ribosome(shared_data: Path) -> np.ndarray:
    return mrcfile.read(shared_data / "maps" / "clean70SRibosome_vol_65p.mrc")


def fourier_crop(volume: np.ndarray, box_px: int) -> np.ndarray:
    """The map on a coarser grid, centre to centre: how the set's 64-px map was made of the 65."""
    start = volume.shape[0] // 2 - box_px // 2
    middle = slice(start, start + box_px)
    spectrum = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(volume)))[middle, middle, middle]
    return np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(spectrum)).real)


@pytest.mark.parametrize("shifts", ["shifted", "centered"])
@pytest.mark.parametrize("box_px", [64, 65])
def test_projections_of_a_ribosome_are_those_of_relion(
    shared_data: Path, ribosome: np.ndarray, box_px: int, shifts: str
) -> None:
    stem = shared_data / "reference" / "aspire_relion_project" / f"rln_proj_{box_px}_{shifts}"
    table = starfile.read(stem.with_suffix(".star"), always_dict=True)["particles"]
    images = mrcfile.read(stem.with_suffix(".mrcs"))
    # The shifted set states its origins in pixels, the centred one in Å: zero.
    unit = "Angst" if shifts == "centered" else ""
    origins = table[[f"rlnOriginX{unit}", f"rlnOriginY{unit}"]].to_numpy(float)
    if box_px % 2:
        # relion_project displaces odd boxes by one pixel in x and y.
        origins = origins - 1.0
    volume = ribosome if box_px == 65 else fourier_crop(ribosome, 64)

    coefficients, disc = project(volume, rotations_of(table), origins, box_px=box_px)

    # At the same padding only rounding is left (measured: 1 - 1e-7); an angle off by 0.1 degrees, a
    # shift off by 0.02 px or another gridding correction each cost more than 1e-5.
    assert correlations(coefficients, images, disc).min() >= 0.99999


@pytest.mark.parametrize("padding", [2, 3])
def test_ctf_and_shifts_of_a_point_mass_are_those_of_relion(
    shared_data: Path, padding: int
) -> None:
    folder = shared_data / "reference" / "relion_project_simplecryoem"
    star = starfile.read(folder / "pyem.star", always_dict=True)
    table, optics = star["particles"], star["optics"]
    images = mrcfile.read(folder / f"relion_proj_batch_pfac{padding}.mrcs")
    volume = mrcfile.read(folder / "pointmass.mrc")
    pixel_size = float(optics["rlnImagePixelSize"].iloc[0])
    origins = table[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy(float) / pixel_size

    coefficients, disc = project(
        volume,
        rotations_of(table),
        origins,
        box_px=images.shape[-1],
        padding=padding,
        ctf=ctf_of(table, optics),
        pixel_size_angstrom=pixel_size,
    )

    assert correlations(coefficients, images, disc).min() >= 0.99999
