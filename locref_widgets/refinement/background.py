"""Whether the images' background is zero, as the search takes it to be.

Images are usually normalised so that the background, outside the circle that fits the box, has a
mean of 0 and a standard deviation of 1. Another standard deviation does no harm, since noise is
measured. Another mean does: cut to the region's box it is a broad peak about the origin of Fourier
space, in all images, that no template explains.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

_LARGEST = 0.2
"""Mean of the background in its standard deviations. Real stacks have up to 0.08. With 0.2, 0.4, 1
and 3 added to the packaged sample the median error after three iterations was 1.52, 1.64, 2.5 and
4.9 degrees; without 1.44, and 4.8 before them."""


def background_of(images: Float[np.ndarray, "b n n"]) -> Float[np.ndarray, " b"]:
    """Mean outside the circle that fits the box, in standard deviations of what is there.

    Zero where nothing varies there, as in an image that cannot be used.
    """
    outside = images[:, _outside(images.shape[-1])]
    spread = outside.std(axis=1, dtype=np.float64)
    mean = outside.mean(axis=1, dtype=np.float64)
    return np.where(spread > 0, mean / np.where(spread > 0, spread, 1.0), 0.0).astype(np.float32)


def background_warnings(path: Path, background: Float[np.ndarray, " n"]) -> tuple[str, ...]:
    """Say so where the background of a table's images is not zero."""
    median = float(np.median(background)) if background.size else 0.0
    if not abs(median) > _LARGEST:
        return ()
    words = (
        f"{path}: the images' background lies {median:+.2g} of its standard deviations from zero,"
        " which draws the poses astray. Normalise the images to a background of mean 0"
        " (relion_preprocess --norm, or when they are extracted) and begin again."
    )
    return (words,)


@lru_cache(maxsize=2)
def _outside(box_px: int) -> Bool[np.ndarray, "n n"]:
    y, x = np.indices((box_px,) * 2) - box_px // 2
    return y**2 + x**2 > (box_px / 2) ** 2
