"""One block of a STAR file as columns of raw tokens, so that what is not touched stays as it is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.errors import InputError

TOKEN_DTYPE = np.dtypes.StringDType()


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
        """Read a column, without the quotes around its values."""
        return [_unquoted(token) for token in self._column(name).tolist()]

    def floats(self, name: str) -> Float[np.ndarray, " rows"]:
        """Read a column as float64.

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
                f"{self._place()}: row {bad[0] + 1} has {name} = {tokens[bad[0]]}, expected a "
                f"finite number{_others(bad)}. Mend the value or take the row out."
            )
        return values

    def ints(self, name: str) -> Int[np.ndarray, " rows"]:
        """Read a column as integers; ``2.000000`` counts as 2. Raises like ``floats``."""
        values = self.floats(name)
        bad = np.flatnonzero((values != np.rint(values)) | (np.abs(values) >= 2.0**63))
        if bad.size:
            raise InputError(
                f"{self._place()}: row {bad[0] + 1} has {name} = {self.columns[name][bad[0]]}, "
                f"expected a whole number{_others(bad)}. Mend the value or take the row out."
            )
        return values.astype(np.int64)

    def with_column(self, name: str, values: Iterable | np.ndarray) -> "StarTable":
        """Add a column at the end, or replace it where it stands.

        Floats are written with 6 decimals (9 digits where they are smaller than 0.001), and strings
        that need quotes get them.
        """
        tokens = np.array([format_token(value) for value in _plain(values)], dtype=TOKEN_DTYPE)
        if self.columns and len(tokens) != len(self):
            raise ValueError(f"column {name} has {len(tokens)} values for {len(self)} rows")
        return replace(self, columns={**self.columns, name: tokens})

    def take(self, indices: Int[np.ndarray, " n"]) -> "StarTable":
        """Select rows (numbered from 0)."""
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
    """Write a value as it stands in a STAR file."""
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
