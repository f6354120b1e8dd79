"""Reading and writing STAR files, every token as it stands.

STAR as RELION writes it is a format of lines: a block ``data_name`` holds either pairs
(``_label value`` on each line) or one loop (``loop_``, labels, then one line for each row). Reading
by lines rather than by a CIF grammar tells a ragged row by its number, and a row that lacks a value
is never filled up from the next one.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer
from locref_widgets.io.star_table import TOKEN_DTYPE, StarTable
from locref_widgets.io.star_tokens import needs_care, tokens_of

_MARK = "\0"
_ROWS_AT_ONCE = 5_000
_FIRST_ROWS = 50
"""Most loops are short; a long one is found out in a few steps."""


def read_star(path: str | os.PathLike[str]) -> dict[str, StarTable]:
    """Read every block of a STAR file, by name (``particles`` for ``data_particles``), in order.

    Raises
    ------
    InputError
        If the file is absent, is not STAR, has a row with more or fewer values than its loop has
        labels, or names a label or a block twice.
    """
    path = Path(path)
    lines = _read_lines(path)
    blocks: dict[str, StarTable] = {}
    comments: list[str] = []
    at = 0
    while at < len(lines):
        text = lines[at].strip()
        at += 1
        if text.startswith("#"):
            comments.append(text)
        elif text.startswith("data_"):
            name = text[len("data_") :].split("#")[0].strip()
            if name in blocks:
                raise InputError(
                    f"{path}: line {at}: block data_{name} is there twice. Take one out or rename "
                    "it."
                )
            blocks[name], at = _read_block(path, name, lines, at)
            blocks[name].comments, comments = comments, []
        elif text:
            raise InputError(
                f"{path}: line {at}: expected a block (data_…), found {text[:60]!r}. "
                "Is this a STAR file? If so, its data_ line is missing."
            )
    if not blocks:
        raise InputError(f"{path}: holds no data_ block, so it is no STAR file, or an empty one.")
    return blocks


def _read_lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Check the name and the folder.") from None
    except UnicodeDecodeError:
        raise InputError(
            f"{path}: is not text in UTF-8, so not a STAR file that can be read. If it is one in "
            "another encoding, convert it: iconv -f latin1 -t utf8 IN > OUT"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}). Check its permissions."
        ) from None
    if _MARK in text:
        raise InputError(
            f"{path}: is not text (it holds zero bytes), so not a STAR file. Is it another kind of "
            "file, or was it cut off while written?"
        )
    return text.split("\n")


def _read_block(path: Path, name: str, lines: list[str], at: int) -> tuple[StarTable, int]:
    """Read the block that begins at ``lines[at]``; also return the line after its end."""
    pairs: dict[str, list[str]] = {}
    while at < len(lines):
        tokens = tokens_of(lines[at])
        if not tokens:
            after = _after_comments(lines, at)
            # A comment in front of the next block belongs to that block.
            if pairs and lines[at].strip() and _begins_block(lines, after):
                break
            at = after
            continue
        if tokens[0] == "loop_":
            if pairs:
                raise InputError(
                    f"{path}: line {at + 1}: block data_{name} holds single values and a loop, of "
                    "which one would be lost. Put a line 'data_' with another name before loop_."
                )
            return _read_loop(path, name, lines, at + 1)
        if tokens[0].startswith("data_"):
            break
        if tokens[0].startswith("_") and len(tokens) == 2:
            if tokens[0][1:] in pairs:
                raise InputError(f"{path}: line {at + 1}: the label {tokens[0]} is there twice.")
            pairs[tokens[0][1:]] = [tokens[1]]
        else:
            raise InputError(
                f"{path}: line {at + 1}: expected a label and its value, or loop_, in block "
                f"data_{name}, found {lines[at].strip()[:60]!r}. Mend or take out that line."
            )
        at += 1
    columns = {label: np.array(value, dtype=TOKEN_DTYPE) for label, value in pairs.items()}
    return StarTable(columns, path, name, is_loop=False), at


def _read_loop(path: Path, name: str, lines: list[str], at: int) -> tuple[StarTable, int]:
    """Read the loop whose labels begin at ``lines[at]``; also return the line after its end."""
    labels: list[str] = []
    while at < len(lines) and (not (tokens := tokens_of(lines[at])) or tokens[0].startswith("_")):
        if tokens:
            labels.append(tokens[0][1:])
        at += 1
    if not labels:
        raise InputError(f"{path}: line {at + 1}: loop_ in block data_{name} has no labels.")
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise InputError(
            f"{path}: block data_{name}: the label _{twice} is there twice. Take one out."
        )
    # Room for as many rows as there are lines; what stays empty takes no memory.
    columns = [np.empty(len(lines) - at, TOKEN_DTYPE) for _ in labels]
    count, at_once = 0, _FIRST_ROWS
    ended = False
    while not ended:
        some = lines[at : at + at_once]
        read = _plain_rows(some, len(labels))
        if read is not None:
            at += len(some)
        else:
            rows, at, ended = _read_rows(path, name, lines, at, len(labels), count)
            read = list(zip(*rows, strict=True))
        if read:
            for column, tokens in zip(columns, read, strict=True):
                column[count : count + len(tokens)] = tokens
            count += len(read[0])
        at_once = min(4 * at_once, _ROWS_AT_ONCE)
    whole = count > len(lines) // 2
    kept = [column[:count] if whole else column[:count].copy() for column in columns]
    return StarTable(dict(zip(labels, kept, strict=True)), path, name), at


def _plain_rows(lines: list[str], width: int) -> list[list[str]] | None:
    """Split many lines at once into columns; None unless each is a row without quotes or comments.

    A mark between the lines shows whether every line has as many values as the loop has labels.
    """
    text = f" {_MARK} ".join(lines)
    if width < 2 or not lines or needs_care(text):
        return None
    tokens = text.split()
    if len(tokens) != (width + 1) * len(lines) - 1 or set(tokens[width :: width + 1]) - {_MARK}:
        return None
    return [tokens[i :: width + 1] for i in range(width)]


def _read_rows(
    path: Path, name: str, lines: list[str], at: int, width: int, count: int
) -> tuple[list[list[str]], int, bool]:
    """Read rows line by line: the rows, the line after them and whether the loop ended there.

    At most ``_ROWS_AT_ONCE`` rows are read; ``count`` rows of the loop came before.
    """
    rows: list[list[str]] = []
    while at < len(lines) and len(rows) < _ROWS_AT_ONCE:
        tokens = tokens_of(lines[at])
        if len(tokens) == 1 and tokens[0].startswith("data_"):
            return rows, at, True
        if not tokens:
            after = _after_comments(lines, at)
            # A comment after the rows belongs to the next block.
            if count + len(rows) and lines[at].strip() and _begins_block(lines, after):
                return rows, at, True
            at = after
            continue
        if len(tokens) == width:
            rows.append(tokens)
        else:
            raise InputError(
                f"{path}: line {at + 1} (row {count + len(rows) + 1} of block data_{name}) has "
                f"{len(tokens)} values, expected {width}, one for each label. Mend the line: a "
                "value is missing, or one with blanks in it lacks quotes."
            )
        at += 1
    return rows, at, at == len(lines)


def _after_comments(lines: list[str], at: int) -> int:
    """Step over a blank line, or over a comment and all comments and blank lines after it."""
    if not lines[at].strip():
        return at + 1
    while at < len(lines) and not tokens_of(lines[at]):
        at += 1
    return at


def _begins_block(lines: list[str], at: int) -> bool:
    """Whether a block begins on this line, or the file has ended before it."""
    if at == len(lines):
        return True
    tokens = tokens_of(lines[at])
    return len(tokens) == 1 and tokens[0].startswith("data_")


def write_star(path: str | os.PathLike[str], blocks: Mapping[str, StarTable]) -> None:
    """Write blocks as a STAR file, every token as it stands; whole or not at all.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disc is full.
    """
    with atomic_writer(path) as handle:
        for name, table in blocks.items():
            head = "".join(f"{comment}\n" for comment in table.comments)
            handle.write(f"\n{head}\ndata_{name}\n\n".encode())
            if not table.is_loop:
                for label, column in table.columns.items():
                    handle.write(f"_{label} {column[0]}\n".encode())
                continue
            labels = "".join(f"_{label} #{i}\n" for i, label in enumerate(table.columns, 1))
            handle.write(f"loop_\n{labels}".encode())
            for start in range(0, len(table), _ROWS_AT_ONCE):
                part = [c[start : start + _ROWS_AT_ONCE].tolist() for c in table.columns.values()]
                handle.write(
                    ("\n".join(" ".join(row) for row in zip(*part, strict=True)) + "\n").encode()
                )
            handle.write(b"\n")
