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

    Raises
    ------
    InputError
        If something is there.
    """
    folder = Path(out).resolve()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder}: is there already. Choose another folder, or remove it first.")
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
