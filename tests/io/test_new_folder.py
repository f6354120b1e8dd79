"""Folders of results."""

import os
from pathlib import Path

import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.new_folder import new_folder


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o002, 0o775), (0o077, 0o700)])
def test_a_folder_is_as_open_as_the_umask_says(tmp_path: Path, umask: int, mode: int) -> None:
    old = os.umask(umask)
    try:
        with new_folder(tmp_path / "out") as part:
            (part / "a.txt").write_text("a")
    finally:
        os.umask(old)
    assert (tmp_path / "out").stat().st_mode & 0o777 == mode
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a.txt"]


def test_a_folder_that_fails_vanishes_and_one_that_is_there_stays(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no luck"), new_folder(tmp_path / "out"):
        raise RuntimeError("no luck")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.txt").write_text("a")
    with pytest.raises(InputError, match="is there already"), new_folder(tmp_path / "old"):
        pass
    assert (tmp_path / "old" / "a.txt").read_text() == "a"
