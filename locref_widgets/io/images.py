"""Where the images of a particle table lie, and reading them."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.errors import InputError
from locref_widgets.io.fence import allowed_roots, is_allowed, leaves, outside_words
from locref_widgets.io.image_stack import ImageStack

AS_STACK = ":mrcs"
"""End of a name by which RELION opens a file of another name as a stack."""

_MOST_NAMED = 3
_IMAGES_AT_ONCE = 64
_MOST_DIGITS = 18
"""Of an image's number; more may not fit into 64 bits."""


@dataclass(frozen=True)
class ImageNames:
    """``index@path`` of every particle, taken apart."""

    names: list[str]
    """The distinct paths, as they stand in the file."""
    which: Int[np.ndarray, " n"]
    """Index into ``names``."""
    number: Int[np.ndarray, " n"]
    """Number of the image in its stack, from 0."""

    @classmethod
    def parse(cls, tokens: list[str], star: Path) -> "ImageNames":
        """Take apart ``000001@stack.mrcs``; a name without ``@`` is the only image of its file.

        Raises
        ------
        InputError
            If the part before ``@`` is not a number from 1 of at most 18 digits, or there is
            nothing after it.
        """
        names: dict[str, int] = {}
        which = np.empty(len(tokens), np.int64)
        number = np.empty(len(tokens), np.int64)
        for row, token in enumerate(tokens):
            before, at, name = token.partition("@")
            if not at:
                before, name = "1", token
            digits = before.lstrip("0")
            if not (digits.isdecimal() and len(digits) <= _MOST_DIGITS and name):
                raise InputError(
                    f"{star}: row {row + 1} has rlnImageName = {token!r}, expected a number from "
                    "1, @ and the stack, like 000001@stack.mrcs. Mend the name."
                )
            which[row] = names.setdefault(name, len(names))
            number[row] = int(digits) - 1
        return cls(list(names), which, number)


def search_folders(star: Path, root: Path | None = None) -> list[Path]:
    """Where relative image names of a STAR file may start from, the likeliest first.

    RELION's names start from the project's folder, which is one of those above the file's.
    """
    if root is not None:
        return [Path(root).resolve()]
    folder = star.resolve().parent
    return [folder, *folder.parents, Path.cwd()]


def find_file(name: str, folders: Sequence[Path]) -> Path | None:
    """Find the first ``folder/name`` that is a file; None when there is none.

    A name may end with `AS_STACK`.

    Raises
    ------
    InputError
        If there is none, but not every place could be, or may be, looked at
        (`locref_widgets.io.fence`).
    """
    refused = ""
    places = [folder / name.removesuffix(AS_STACK) for folder in folders]
    roots = allowed_roots()
    allowed = [place for place in places if is_allowed(place, roots)]
    if places and not allowed:
        raise InputError(f"{name}: {outside_words(places[0])}")
    for place in allowed:
        try:
            if place.is_file():
                return place
        except OSError as error:
            refused = refused or f"{place}: cannot be looked at ({error.strerror or error})"
    if refused:
        raise InputError(f"{refused}. Mend the permissions of its folder, or mend the name.")
    return None


@dataclass(frozen=True)
class ParticleImages:
    """The images of a list of particles in one or more stacks; only headers are in memory."""

    stacks: tuple[ImageStack, ...]
    names: tuple[str, ...]
    """The stacks' paths as they stand in the STAR file."""
    which: Int[np.ndarray, " n"]
    """Stack of every particle."""
    number: Int[np.ndarray, " n"]
    """Number of the image in its stack, from 0."""

    @property
    def header_pixel_sizes_angstrom(self) -> Float[np.ndarray, " n"]:
        """Pixel size of every particle by its stack's header; zero where the header has none."""
        return np.array([stack.pixel_size_angstrom or 0.0 for stack in self.stacks])[self.which]

    @property
    def box_px(self) -> int:
        """Pixels along an edge (all stacks have the same)."""
        return self.stacks[0].box[0]

    def read(self, indices: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m box box"]:
        """Read the images of these particles as float32, neighbours in a stack in one go."""
        which, number = self.which[indices], self.number[indices]
        used = np.unique(which)
        if used.size == 1:
            return self.stacks[used[0]].read(number)
        images = np.empty((len(which), self.box_px, self.box_px), np.float32)
        for stack in used:
            rows = np.flatnonzero(which == stack)
            images[rows] = self.stacks[stack].read(number[rows])
        return images

    def take(self, indices: Int[np.ndarray, " m"]) -> "ParticleImages":
        """Select some of the particles."""
        return replace(self, which=self.which[indices], number=self.number[indices])


def open_images(
    names: ImageNames,
    star: Path,
    root: Path | None = None,
    *,
    folders: Sequence[Path] | None = None,
) -> ParticleImages:
    """Find and open every stack and check that it holds what the table names.

    ``folders`` are those that the names may start from; None: `search_folders`.

    Raises
    ------
    InputError
        If stacks are missing, outside ``root``, out of reach, not MRC, not square, of different
        boxes or shorter than the table says.
    """
    if folders is None and root is not None:
        _check_within(names, star, Path(root))
    folders = search_folders(star, root) if folders is None else folders
    paths = [find_file(name, folders) for name in names.names]
    missing = [name for name, path in zip(names.names, paths, strict=True) if path is None]
    if missing:
        row = int(np.flatnonzero(names.which == names.names.index(missing[0]))[0])
        more = f" and {len(missing) - 1} more stacks" if len(missing) > 1 else ""
        looked = ", ".join(map(str, folders[:_MOST_NAMED])) + " …" * (len(folders) > _MOST_NAMED)
        raise InputError(
            f"{star}: row {row + 1} names the stack {missing[0]}, which is not there{more}. "
            f"Looked in {looked}. Put it there, call from the folder that the names start from, "
            "or in Python give that folder as root."
        )
    stacks = tuple(ImageStack(path) for path in paths if path is not None)
    for stack in stacks:
        _check_stack(stack, stacks[0], star)
    lengths = np.array([len(stack) for stack in stacks])
    beyond = np.flatnonzero(names.number >= lengths[names.which])
    if beyond.size:
        stack = stacks[names.which[beyond[0]]]
        raise InputError(
            f"{star}: row {beyond[0] + 1} names image {names.number[beyond[0]] + 1} of "
            f"{stack.path}, which holds {len(stack)} images ({beyond.size} rows are beyond the end "
            "of their stack). Give the stack that belongs to the table, or take those rows out."
        )
    return ParticleImages(stacks, tuple(names.names), names.which, names.number)


def _check_within(names: ImageNames, star: Path, root: Path) -> None:
    for stack, name in enumerate(names.names):
        if leaves(name, root):
            row = int(np.flatnonzero(names.which == stack)[0])
            raise InputError(
                f"{star}: row {row + 1} names the stack {name}, which lies outside {root}, the "
                "folder given (root). Mend the name, or give a folder above both."
            )


def _check_stack(stack: ImageStack, first: ImageStack, star: Path) -> None:
    ny, nx = stack.box
    if ny != nx:
        raise InputError(
            f"{stack.path}: the images are not square: {nx} x {ny} (x, y) pixels. Extract them in "
            "a square box."
        )
    if stack.box != first.box:
        raise InputError(
            f"{star}: the stacks have more than one box: {first.box[0]} px in {first.path}, {ny} "
            f"px in {stack.path}. Refine one optics group at a time, or extract all particles "
            "again with the same box."
        )


def name_from(folder: Path, name: str, stack: Path) -> str:
    """Name a stack as a STAR file in ``folder`` should hold it.

    It stays as it is when it leads to the same file from there; else it is relative to the folder.
    """
    # A place that cannot be looked at does not lead to the stack.
    with suppress(InputError, OSError):
        found = find_file(name, [folder, *folder.parents])
        if found is not None and found.samefile(stack):
            return name
    suffix = AS_STACK if name.endswith(AS_STACK) else ""
    return os.path.relpath(stack.resolve(), folder) + suffix


def renamed_tokens(
    tokens: Sequence[str], which: Int[np.ndarray, " n"], old: Sequence[str], new: Sequence[str]
) -> list[str]:
    """``index@path`` of every row under new names of the stacks, the index written as it was.

    Tokens of stacks that keep their names (``old`` and ``new`` by stack) stay as they are.
    """
    numbers = (token.partition("@")[0] if "@" in token else "1" for token in tokens)
    return [
        token if new[i] == old[i] else f"{number}@{new[i]}"
        for token, number, i in zip(tokens, numbers, which.tolist(), strict=True)
    ]


def find_bad_images(
    read: Callable[[np.ndarray], np.ndarray], rows: Int[np.ndarray, " n"]
) -> list[tuple[int, str]]:
    """List those of the rows whose image cannot be used (NaN, infinite, constant) and why.

    ``read`` returns the images ``[n, y, x]`` of rows; it is asked for a few at a time.
    """
    bad: list[tuple[int, str]] = []
    for start in range(0, len(rows), _IMAGES_AT_ONCE):
        some = rows[start : start + _IMAGES_AT_ONCE]
        for row, image in zip(some.tolist(), read(some), strict=True):
            if not np.isfinite(image).all():
                bad.append((row, "holds NaN or infinite values"))
            elif image.max() == image.min():
                bad.append((row, "all pixels are equal"))
    return bad
