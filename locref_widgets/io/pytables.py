"""HDF5 files as PyTables writes them: read without trust, and written alike.

PyTables stores what HDF5 has no type for as pickled Python objects. They could run anything on
being opened, so they never are, and read as absent. Links to other files are not followed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float32, Integer, Shaped

from locref_widgets.errors import InputError
from locref_widgets.io.packed import GZIP, reading_errors

_MOST_ID = np.iinfo(np.int32).max


@dataclass(frozen=True)
class StoredGroup:
    """A group of arrays and attributes in a file that may be damaged."""

    path: Path
    group: h5py.Group

    def holds(self, name: str) -> bool:
        """Whether the file itself has something of a name."""
        return isinstance(self.group.get(name, getlink=True), h5py.HardLink)

    def subgroup(self, name: str) -> "StoredGroup | None":
        """A group in the group, None if there is none of the name."""
        found = self.group[name] if self.holds(name) else None
        return StoredGroup(self.path, found) if isinstance(found, h5py.Group) else None

    def array(self, name: str, shape: tuple[int | None, ...], kinds: str = "iuf") -> np.ndarray:
        """Values of an array of a shape (None: any size) and one of NumPy's kinds of types.

        Raises
        ------
        InputError
            if it is not there, refers to another file, is of another shape or kind, or claims to
            be larger than the file can hold.
        """
        found = self.group[name] if self.holds(name) else None
        if not isinstance(found, h5py.Dataset):
            raise InputError(f"{self.path}: holds no array '{name}'. {_AGAIN}")
        if found.external or found.is_virtual:
            raise InputError(
                f"{self.path}: the array '{name}' refers to another file, which is not followed. "
                f"{_AGAIN}"
            )
        fits = len(found.shape) == len(shape) and all(
            want in (None, size) for want, size in zip(shape, found.shape, strict=True)
        )
        if not fits or found.dtype.kind not in kinds:
            wanted = " x ".join("any" if size is None else str(size) for size in shape)
            raise InputError(
                f"{self.path}: the array '{name}' is {' x '.join(map(str, found.shape))} of "
                f"{found.dtype}, expected {wanted} of {_KINDS[kinds]}. {_AGAIN}"
            )
        if found.nbytes > GZIP.most_bytes(self.path.stat().st_size):
            raise InputError(
                f"{self.path}: the array '{name}' claims to be of {found.nbytes} bytes, more than "
                f"a file of this size can hold. {_AGAIN}"
            )
        return found[()]

    def numbers(self, name: str, shape: tuple[int | None, ...]) -> Float32[np.ndarray, "..."]:
        """Finite numbers as float32. Raises as `array` does, and for NaN and infinite ones."""
        values = self.array(name, shape).astype(np.float32)
        if not np.isfinite(values).all():
            raise InputError(
                f"{self.path}: the array '{name}' holds NaN or infinite values. {_AGAIN}"
            )
        return values

    def ids(self, name: str, shape: tuple[int | None, ...]) -> Integer[np.ndarray, "..."]:
        """Whole numbers from 0 within 31 bits. Raises as `array` does, and for others."""
        values = self.array(name, shape, "iu")
        if values.size and (values.min() < 0 or values.max() > _MOST_ID):
            raise InputError(
                f"{self.path}: the array '{name}' holds ids from {values.min()} to {values.max()}, "
                f"expected 0 to {_MOST_ID}. {_AGAIN}"
            )
        return values

    def text(self, name: str) -> str | None:
        """Text of an attribute; None if there is none or PyTables takes it for a pickled object."""
        return as_text(self.group.attrs.get(name))

    def number(self, name: str) -> float | None:
        """Number of an attribute; None if there is none."""
        value = self.group.attrs.get(name)
        if not isinstance(value, int | float | np.integer | np.floating):
            return None
        return float(value) if np.isfinite(value) else None

    def matrix(self, name: str, shape: tuple[int, ...]) -> Float32[np.ndarray, "..."] | None:
        """Matrix of an attribute as float32; None if there is none of that shape."""
        value = self.group.attrs.get(name)
        if (
            not isinstance(value, np.ndarray)
            or value.shape != shape
            or value.dtype.kind not in "iuf"
        ):
            return None
        return value.astype(np.float32) if np.isfinite(value).all() else None


_AGAIN = "The file is damaged or was made by another program: save it again, or copy it again."
_KINDS = {"iu": "whole numbers", "iuf": "numbers", "S": "text"}


@contextmanager
def open_hdf5(path: Path) -> Iterator[StoredGroup]:
    """Open a file to read; InputError, naming it, for whatever goes wrong while it is open."""
    with reading_errors(path):
        path.stat()  # a file that is not there, told apart from what HDF5 says
        try:
            with h5py.File(path, "r") as file:
                yield StoredGroup(path, file)
        except InputError:
            raise
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise InputError(f"{path}: is no HDF5 file, or a damaged one ({error}).") from None


def as_text(value: object) -> str | None:
    """Text as it is stored; None for other things, and for what looks like a pickled object."""
    if isinstance(value, str):
        return value
    # PyTables knows pickled objects by the dot that ends them.
    if not isinstance(value, bytes) or (len(value) > 2 and value.endswith(b".")):
        return None
    return value.decode("utf-8", "replace")


def set_texts(target: h5py.Group | h5py.Dataset, **texts: str) -> None:
    """Set attributes to text of fixed length that PyTables does not take for a pickled object."""
    for name, text in texts.items():
        raw = text.encode().rstrip(b".")
        target.attrs.create(name, np.array(raw, f"S{max(len(raw), 1)}"))


def put_array(
    group: h5py.Group, name: str, values: Shaped[np.ndarray, "..."], title: str = ""
) -> None:
    """Write an array with the attributes that PyTables gives it."""
    flavour = "python" if values.dtype.kind == "S" else "numpy"
    set_texts(
        group.create_dataset(name, data=values),
        CLASS="ARRAY",
        FLAVOR=flavour,
        TITLE=title,
        VERSION="2.3",
    )
