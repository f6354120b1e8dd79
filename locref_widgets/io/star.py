"""STAR files as tables of raw tokens, so that what is not touched is written back byte for byte.

STAR as RELION writes it is a format of lines: a block ``data_name`` holds either pairs
(``_label value`` on each line) or one loop (``loop_``, labels, then one line for each row). Reading by
lines rather than by a CIF grammar tells a ragged row by its number, and a row that lacks a value is
never filled up from the next one.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer

TOKEN_DTYPE = np.dtypes.StringDType()

_TOKEN = re.compile(r"'(?:[^']|'(?=\S))*'(?=\s|$)|\"(?:[^\"]|\"(?=\S))*\"(?=\s|$)|\S+")
_ROWS_AT_ONCE = 20_000


@dataclass
class StarTable:
    """One block: columns of raw tokens (quotes included), named without the leading underscore.

    ``is_loop`` is False for a block of pairs, which has one row. ``comments`` are the comment lines
    before the block (RELION keeps the version of its format there).
    """

    columns: dict[str, np.ndarray]
    path: Path | None = None
    name: str = ""
    is_loop: bool = True
    comments: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def strings(self, name: str) -> list[str]:
        """The values of a column without the quotes around them."""
        return [_unquoted(token) for token in self._column(name).tolist()]

    def floats(self, name: str) -> Float[np.ndarray, " rows"]:
        """The values of a column as float64.

        Raises
        ------
        InputError
            If the column is absent, or a value is not a finite number (naming its row, from 1).
        """
        tokens = self._column(name)
        try:
            values = tokens.astype(np.float64)
        except ValueError:
            values = np.array([_number(token) for token in tokens.tolist()])
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise InputError(
                f"{self._place()}: row {bad[0] + 1} has {name} = {tokens[bad[0]]}, expected a finite "
                f"number{_others(bad)}. Mend the value or take the row out."
            )
        return values

    def ints(self, name: str) -> Int[np.ndarray, " rows"]:
        """The values of a column as integers; ``2.000000`` counts as 2. Raises like ``floats``."""
        values = self.floats(name)
        bad = np.flatnonzero(values != np.rint(values))
        if bad.size:
            raise InputError(
                f"{self._place()}: row {bad[0] + 1} has {name} = {self.columns[name][bad[0]]}, "
                f"expected a whole number{_others(bad)}. Mend the value or take the row out."
            )
        return values.astype(np.int64)

    def with_column(self, name: str, values: Iterable | np.ndarray) -> "StarTable":
        """A table with this column added last, or replaced where it stands.

        Floats are written with 6 decimals (9 digits where they are smaller than 0.001), and strings
        that need quotes get them.
        """
        tokens = np.array([format_token(value) for value in _plain(values)], dtype=TOKEN_DTYPE)
        if self.columns and len(tokens) != len(self):
            raise ValueError(f"column {name} has {len(tokens)} values for {len(self)} rows")
        return replace(self, columns={**self.columns, name: tokens})

    def take(self, indices: Int[np.ndarray, " n"]) -> "StarTable":
        """A table of these rows (from 0)."""
        return replace(
            self, columns={name: column[indices] for name, column in self.columns.items()}
        )

    def _column(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise InputError(
                f"{self._place()}: has no column {name}. Expected it beside: "
                f"{', '.join(list(self.columns)[:12])}{', …' if len(self.columns) > 12 else ''}"
            )
        return self.columns[name]

    def _place(self) -> str:
        return f"{self.path or 'STAR table'}: block data_{self.name}"


def format_token(value: object) -> str:
    """A value as it stands in a STAR file."""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        fixed = f"{value:.6f}"
        # Large and small numbers keep their digits in scientific form instead.
        return fixed if 1e-3 <= abs(value) < 1e9 or value == 0 else f"{value:.9g}"
    text = str(value)
    if text and not re.search(r"\s", text) and text[0] not in "'\"_#":
        return text
    return f'"{text}"' if '"' not in text else f"'{text}'"


def _plain(values: Iterable | np.ndarray) -> Iterable:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _unquoted(token: str) -> str:
    return token[1:-1] if len(token) > 1 and token[0] == token[-1] and token[0] in "'\"" else token


def _number(token: str) -> float:
    try:
        return float(_unquoted(token))
    except ValueError:
        return np.nan


def _others(bad: np.ndarray) -> str:
    return f" (and {bad.size - 1} more rows likewise)" if bad.size > 1 else ""


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
                    f"{path}: line {at}: block data_{name} is there twice. Take one out or rename it."
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
        return path.read_text(encoding="utf-8-sig").replace("\r\n", "\n").split("\n")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Check the name and the folder.") from None
    except UnicodeDecodeError:
        raise InputError(
            f"{path}: is not text in UTF-8, so not a STAR file that can be read. If it is one in another "
            "encoding, convert it: iconv -f latin1 -t utf8 IN > OUT"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}). Check its permissions."
        ) from None


def _read_block(path: Path, name: str, lines: list[str], at: int) -> tuple[StarTable, int]:
    """The block whose first line after ``data_`` is ``lines[at]``, and the line after its end."""
    pairs: dict[str, list[str]] = {}
    while at < len(lines):
        tokens = _tokens(lines[at])
        if not tokens:
            # A comment in front of the next block belongs to that block.
            if lines[at].strip() and pairs and _block_follows(lines, at):
                break
        elif tokens[0] == "loop_":
            return _read_loop(path, name, lines, at + 1)
        elif tokens[0].startswith("data_"):
            break
        elif tokens[0].startswith("_") and len(tokens) == 2:
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
    """The loop whose first label is on ``lines[at]`` or below, and the line after its end."""
    labels: list[str] = []
    while at < len(lines) and (not (tokens := _tokens(lines[at])) or tokens[0].startswith("_")):
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
    pieces: list[list[np.ndarray]] = []
    rows: list[list[str]] = []
    count = 0
    for at in range(at, len(lines) + 1):
        line = lines[at] if at < len(lines) else "data_"
        tokens = line.split() if not _NEEDS_CARE.search(line) else _tokens(line)
        if len(tokens) == len(labels) and not (len(tokens) == 1 and tokens[0].startswith("data_")):
            rows.append(tokens)
            count += 1
            if len(rows) == _ROWS_AT_ONCE:
                pieces.append(_as_columns(rows, len(labels)))
                rows = []
        elif not tokens:
            # A comment after the rows belongs to the next block.
            if count and line.strip() and _block_follows(lines, at):
                break
        elif len(tokens) == 1 and tokens[0].startswith("data_"):
            break
        else:
            raise InputError(
                f"{path}: line {at + 1} (row {count + 1} of block data_{name}) has {len(tokens)} values, "
                f"expected {len(labels)}, one for each label. Mend the line: a value is missing, or one "
                "with blanks in it lacks quotes."
            )
    pieces.append(_as_columns(rows, len(labels)))
    columns = {label: np.concatenate([p[i] for p in pieces]) for i, label in enumerate(labels)}
    return StarTable(columns, path, name), at


_NEEDS_CARE = re.compile(r"['\"#]")


def _tokens(line: str) -> list[str]:
    """The tokens of a line up to a comment, quoted ones with their quotes."""
    tokens = line.split() if not _NEEDS_CARE.search(line) else _TOKEN.findall(line)
    for i, token in enumerate(tokens):
        if token.startswith("#"):
            return tokens[:i]
    return tokens


def _block_follows(lines: list[str], at: int) -> bool:
    """Whether nothing but comments and blank lines stands between here and the next block or the end."""
    for line in lines[at:]:
        if tokens := _tokens(line):
            return len(tokens) == 1 and tokens[0].startswith("data_")
    return True


def _as_columns(rows: list[list[str]], count: int) -> list[np.ndarray]:
    if not rows:
        return [np.empty(0, TOKEN_DTYPE) for _ in range(count)]
    return [np.array(column, dtype=TOKEN_DTYPE) for column in zip(*rows, strict=True)]


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
