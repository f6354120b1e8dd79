"""Writing a file so that it appears whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from locref_widgets.errors import OutputError


@contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that replaces ``path`` if the block ends well, and vanishes if not.

    The bytes are written to a file beside ``path``, flushed to the disc and renamed over it, so
    that a reader (or a power cut) sees the old file or the new one, never a part.

    Raises
    ------
    OutputError
        If the folder is absent or not writable, or the disc is full. What stood at ``path`` stays.
    """
    target = Path(path)
    aside: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=".part", dir=target.parent
        )
        aside = Path(name)
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        # mkstemp makes the file private; results are made as readable as the user's umask says.
        aside.chmod(0o666 & ~umask())
        aside.replace(target)
        aside = None
    except OSError as error:
        raise OutputError(_explain(target, error)) from error
    finally:
        if aside is not None:
            aside.unlink(missing_ok=True)


def umask() -> int:
    """Read the umask of this process; the only portable way is to set it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _explain(target: Path, error: OSError) -> str:
    """Say what went wrong when writing ``target``, what is safe and how to go on."""
    if error.errno is None and "requested and" in str(error):
        # NumPy's way to say that the system took only a part.
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    mend = {
        errno.ENOSPC: "The disc is full: free some space and run it again.",
        errno.EDQUOT: "Your disc quota is used up: free some space and run it again.",
        errno.EACCES: "The folder is not writable: choose another one or change its permissions.",
        errno.EROFS: "The file system is read-only: choose another folder.",
        errno.ENOENT: "Its folder does not exist: make it first.",
    }.get(error.errno or 0, "Choose another place and run it again.")
    return f"{target}: cannot write ({error.strerror or error}). Nothing there was changed. {mend}"
