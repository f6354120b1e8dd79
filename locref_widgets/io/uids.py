"""cryoSPARC's names of particles: numbers of 64 bits."""

import hashlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt64

from locref_widgets.errors import InputError
from locref_widgets.io.star_table import StarTable

UID_LABEL = "cryosparcUid"
"""The column that holds them in a STAR file; RELION takes labels it does not know along."""


def make_uids(table: StarTable, path: Path) -> UInt64[np.ndarray, " n"]:
    """Names of 64 bits: those the table holds, else made from the image's name.

    The same image gets the same name at every conversion; its copies (of a symmetry expansion) get
    one each, in the order of the rows.

    Raises
    ------
    InputError
        If two particles would get the same.
    """
    if UID_LABEL in table:
        texts = table.strings(UID_LABEL)
        if all(text.isdecimal() and int(text) < 2**64 for text in texts) and (
            len(set(texts)) == len(texts)
        ):
            return np.array([int(text) for text in texts], np.uint64)
    if "rlnImageName" in table:
        keys = table.strings("rlnImageName")
    else:
        parts = [
            table.strings(n) for n in ("rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY")
        ]
        keys = ["@".join(part) for part in zip(*parts, strict=True)]
    seen: dict[str, int] = {}
    uids = np.empty(len(keys), np.uint64)
    for row, key in enumerate(keys):
        seen[key] = seen.get(key, 0) + 1
        uids[row] = name_of_64_bits(key, seen[key])
    if len(np.unique(uids)) < len(uids):
        raise InputError(f"{path}: two particles would get the same uid. Take out copies of rows.")
    return uids


def name_of_64_bits(key: str, number: int) -> int:
    """Make a number of 64 bits from a text and a number."""
    digest = hashlib.blake2b(f"{number}/{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
