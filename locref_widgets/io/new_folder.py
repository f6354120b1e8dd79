"""A folder of results that appears whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from locref_widgets.errors import InputError, OutputError
from locref_widgets.io.atomic import umask


def check_free(out: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a folder to make: it must not exist, or be empty.

    Said before hours of work rather than after them.

    Raises
    ------
    InputError
        If something is there, or the folder cannot be looked at or made.
    """
    try:
        folder = Path(out).resolve()
        taken = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
        above = next(parent for parent in folder.parents if parent.exists())
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"{out}: cannot be looked at ({reason}). Choose a folder that you can write."
        ) from None
    if taken:
        what = "and not empty" if folder.is_dir() else "and a file"
        raise InputError(
            f"{folder}: is there already {what}. Choose another folder, or remove it first."
        )
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        what = "is no folder" if not above.is_dir() else "may not be written"
        raise InputError(
            f"{folder}: cannot be made, for {above} {what}. Choose a folder that you can write."
        )
    return folder


@contextmanager
def new_folder(out: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a folder to fill, which becomes ``out`` if the block ends well, and vanishes if not.

    Raises
    ------
    InputError
        If ``out`` is a file, or a folder that holds something.
    OutputError
        If the folder cannot be made or the disc is full.
    """
    folder = check_free(out)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made ({error.strerror}). Choose a folder that you can write."
        ) from error
    try:
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            yield aside
            # mkdtemp makes the folder private; results are as readable as the user's umask says.
            aside.chmod(0o777 & ~umask())
            aside.replace(folder)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror or error}). Nothing was left behind; "
            "free some space or choose another folder."
        ) from error
