"""cryoSPARC's names of particles: numbers of 64 bits."""

import hashlib

import numpy as np
from jaxtyping import UInt64

from locref_widgets.io.not_carried import NotCarried
from locref_widgets.io.star_table import StarTable

UID_LABEL = "cryosparcUid"
"""The column that holds them in a STAR file; RELION takes labels it does not know along."""
_MOST_DIGITS = 20
"""Of a number of 64 bits."""


def make_uids(table: StarTable, left: list[NotCarried]) -> UInt64[np.ndarray, " n"]:
    """Names of 64 bits: those the table holds, else made from the image's name.

    The same image gets the same name at every conversion; its copies (of a symmetry expansion) get
    one each, in the order of the rows. A name in the table that repeats that of an earlier row, or
    is no number of 64 bits, is made anew; the latter are told in ``left``.
    """
    held = _held(table, left)
    if None not in held:
        return np.array(held, np.uint64)
    if "rlnImageName" in table:
        keys = table.strings("rlnImageName")
    else:
        parts = [
            table.strings(n) for n in ("rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY")
        ]
        keys = ["@".join(part) for part in zip(*parts, strict=True)]
    taken = set(held)
    seen: dict[str, int] = {}
    uids = np.empty(len(keys), np.uint64)
    for row, (key, uid) in enumerate(zip(keys, held, strict=True)):
        seen[key] = seen.get(key, 0) + 1
        made = name_of_64_bits(key, seen[key]) if uid is None else uid
        while uid is None and made in taken:
            seen[key] += 1
            made = name_of_64_bits(key, seen[key])
        taken.add(made)
        uids[row] = made
    return uids


def _held(table: StarTable, left: list[NotCarried]) -> list[int | None]:
    """The name that each row holds, at its first occurrence; None where there is none."""
    if UID_LABEL not in table:
        return [None] * len(table)
    texts = table.strings(UID_LABEL)
    valid = [text.isdecimal() and len(text) <= _MOST_DIGITS and int(text) < 2**64 for text in texts]
    if not all(valid):
        row = valid.index(False)
        reason = f"row {row + 1} has {texts[row]!r}, expected a whole number below 2^64"
        reason += f" ({len(valid) - sum(valid)} rows in all); new ones are made from the images"
        left.append(NotCarried(UID_LABEL, reason))
    first: set[int] = set()
    held: list[int | None] = []
    for text, is_valid in zip(texts, valid, strict=True):
        uid = int(text) if is_valid else None
        held.append(None if uid in first else uid)
        if uid is not None:
            first.add(uid)
    return held


def name_of_64_bits(key: str, number: int) -> int:
    """Make a number of 64 bits from a text and a number."""
    digest = hashlib.blake2b(f"{number}/{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
