"""Folders and small files that appear whole or not at all, and errors of the disc in words."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from locref_widgets.errors import OutputError
from locref_widgets.io.atomic import atomic_writer


@contextmanager
def disc_errors(what: Path, *, begun: bool = True) -> Iterator[None]:
    """Turn a failing disc into an `OutputError` that says what is safe and how to go on.

    ``begun`` is False until there is a run to go on with.
    """
    try:
        yield
    except OSError as error:
        way_out = (
            "Every iteration finished before is safe; free some space or mend the permissions, "
            "then resume the run."
            if begun
            else "Free some space or mend the permissions, or give another folder (--out)."
        )
        raise OutputError(
            f"{what}: cannot be written ({error.strerror or error}). {way_out}"
        ) from error


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a folder to fill, which takes the place of ``target`` when the block ends well.

    Its files and its entry are flushed to the disc before they are seen. A folder that stood at
    ``target`` is replaced; what an earlier, killed process left half done is removed.
    """
    aside = target.with_name(f".{target.name}.part")
    old = target.with_name(f".{target.name}.old")
    with disc_errors(target):
        _remove(aside)
        _remove(old)
        aside.mkdir(parents=True)
    try:
        yield aside
        with disc_errors(target):
            for path in aside.iterdir():
                _sync(path)
            _sync(aside)
            if target.exists():
                target.rename(old)
            aside.rename(target)
            _sync(target.parent)
            _remove(old)
    finally:
        _remove(aside)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a JSON file in one step."""
    with atomic_writer(path) as handle:
        handle.write(json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
