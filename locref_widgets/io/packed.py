"""Files that may be compressed with gzip or bzip2, told by their first bytes, read as streams.

Little is read beyond what is asked for (to the checksum, where it is near), and memory grows with
what really comes out, so that a small file that claims (or unpacks to) something huge does no harm.
"""

import bz2
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

from locref_widgets.errors import InputError

_PIECE_BYTES = 16 * 2**20
_SKIPPED_AT_ONCE_BYTES = 2**19
"""Of what is not kept: small, for the unpackers make room for all that they are asked for."""

_OVERHEAD_BYTES = 2**20
"""Room for the rounding of whole blocks in very small files."""


@dataclass(frozen=True)
class Packing:
    """A kind of compression."""

    name: str
    unpacker: str
    most_times: int
    """How much larger than the file its content may be."""

    def most_bytes(self, file_bytes: int) -> int:
        """Bytes that a file of this length can unpack to at most."""
        return self.most_times * file_bytes + _OVERHEAD_BYTES


# Deflate writes 258 bytes with two bits at best. bzip2 knows no such bound in practice; a binary
# mask of 128 voxels reached 9,100.
GZIP = Packing("gzip", "gunzip", 1032)
BZIP2 = Packing("bzip2", "bunzip2", 100_000)

# Three bytes, since two might be the width of a map.
_KINDS = {b"\x1f\x8b\x08": GZIP, b"BZh": BZIP2}


def packing_of(first_bytes: bytes) -> Packing | None:
    """Tell how a file is compressed by the bytes it begins with; None when it is not."""
    return _KINDS.get(first_bytes[:3])


def open_packed(path: Path, packing: Packing) -> BufferedIOBase:
    """Open a compressed file to read its unpacked content."""
    return gzip.open(path, "rb") if packing is GZIP else bz2.open(path, "rb")


def read_packed(path: Path, packing: Packing, offset: int, count: int) -> bytearray:
    """Read ``count`` unpacked bytes from ``offset`` on; fewer when the content ends before.

    Where the content ends there, its checksum is checked too.
    """
    with open_packed(path, packing) as handle:
        while offset and (skipped := handle.read(min(offset, _SKIPPED_AT_ONCE_BYTES))):
            offset -= len(skipped)
        content = bytearray()
        while len(content) < count:
            piece = handle.read(min(count - len(content), _PIECE_BYTES))
            if not piece:
                return content
            content += piece
        # The checksum comes after the last byte, which a flipped bit may have moved further on.
        rest = count + _PIECE_BYTES
        while rest > 0 and (skipped := handle.read(min(rest, _SKIPPED_AT_ONCE_BYTES))):
            rest -= len(skipped)
    return content


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Raise InputError, naming the file, for whatever goes wrong in reading it."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Check the name and the folder.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(_corrupt(path, error)) from None
    except MemoryError:
        raise InputError(
            f"{path}: does not fit into this machine's memory. Crop or bin it first."
        ) from None
    except OSError as error:
        # bz2 tells of corrupt data by an OSError that has no number.
        if error.errno is None:
            raise InputError(_corrupt(path, error)) from None
        raise InputError(
            f"{path}: cannot be read ({error.strerror}). Check its permissions."
        ) from None


def _corrupt(path: Path, error: Exception) -> str:
    return (
        f"{path}: the compressed data are corrupt or cut off ({error}). Copy or download the "
        "file again."
    )
