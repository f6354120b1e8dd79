"""cryoSPARC's tables of particles: .cs files, those that belong to them, and .csg groups of them.

A job writes what it changed into one .cs file and what it passed through into another; a .csg file
names the file of each group of fields (``blob``, ``ctf``, ``alignments3D`` …). Here they become one
table, joined by ``uid``.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Num

from locref_widgets.errors import InputError
from locref_widgets.io.cs_format import read_cs_columns, write_cs_columns
from locref_widgets.io.cs_group import read_group_files
from locref_widgets.io.fence import check_allowed

_JOB = re.compile(r"^(?:cryosparc_)?(?:P\d+_)?(?P<job>J\d+)_(?:\d{3,}_)?(?P<rest>.+)$")
_PASSTHROUGH = re.compile(r"^(?:cryosparc_)?(?:P\d+_)?(?P<job>J\d+)_passthrough_(?P<rest>.+)$")
_MOST_NAMED = 12
_LARGEST_WHOLE = 2.0**53


@dataclass(frozen=True)
class CsTable:
    """Fields of particles as cryoSPARC keeps them; rows are numbered from 0, from 1 in messages."""

    columns: dict[str, np.ndarray]
    path: Path
    companions: tuple[Path, ...] = ()
    """The other files that the fields came from."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def numbers(self, name: str, width: int = 1) -> Num[np.ndarray, "..."]:
        """Read a field of numbers, (rows,) or (rows, width), as it is stored.

        Raises
        ------
        InputError
            If it is absent, has another width, or holds NaN or infinity (naming the row, from 1).
        """
        values = self._field(name)
        shape = (len(self),) if width == 1 else (len(self), width)
        if values.dtype.kind not in "fiu" or values.shape != shape:
            raise InputError(
                f"{self.path}: the field {name} is {values.dtype} with shape {values.shape}, "
                f"expected numbers with shape {shape}. Export the particles again."
            )
        rows = np.isfinite(values).reshape(len(self), -1).all(axis=1)
        if not rows.all():
            bad = np.flatnonzero(~rows)
            raise InputError(
                f"{self.path}: row {bad[0] + 1} has {name} = {values[bad[0]]}, expected finite "
                f"numbers ({bad.size} rows likewise). Take the rows out, or run the job again."
            )
        return values

    def floats(
        self, name: str, width: int = 1, default: float | None = None
    ) -> Float[np.ndarray, "..."]:
        """Read a field as float64, or its default where it is absent. Raises like ``numbers``."""
        if default is not None and name not in self:
            return np.full((len(self),) if width == 1 else (len(self), width), default)
        return self.numbers(name, width).astype(np.float64)

    def integers(self, name: str, width: int = 1) -> Int[np.ndarray, "..."]:
        """Read a field of whole numbers as int64. Raises like ``numbers``."""
        values = self.numbers(name, width)
        if values.dtype.kind == "f":
            odd = (values != np.rint(values)) | (np.abs(values) > _LARGEST_WHOLE)
        else:
            odd = values > np.iinfo(np.int64).max
        bad = np.flatnonzero(odd.reshape(len(self), -1).any(axis=1))
        if bad.size:
            raise InputError(
                f"{self.path}: row {bad[0] + 1} has {name} = {values[bad[0]]}, expected whole "
                f"numbers ({bad.size} rows likewise). Export the particles again."
            )
        return values.astype(np.int64)

    def texts(self, name: str) -> np.ndarray:
        """Read a field of texts as bytes. Raises InputError if it is absent or holds numbers."""
        values = self._field(name)
        if values.dtype.kind != "S" or values.ndim != 1:
            raise InputError(
                f"{self.path}: the field {name} is {values.dtype}, expected texts. Export the "
                "particles again."
            )
        return values

    def with_column(self, name: str, values: np.ndarray) -> "CsTable":
        """Add a field at the end, or replace it where it stands, in the type that it has there."""
        if name in self:
            old = self.columns[name].dtype
            values = values if old.kind == "S" else values.astype(old)
        return replace(self, columns={**self.columns, name: values})

    def take(self, rows: Int[np.ndarray, " m"]) -> "CsTable":
        """Select rows (numbered from 0)."""
        return replace(self, columns={name: c[rows] for name, c in self.columns.items()})

    def same_fields(self, other: "CsTable") -> bool:
        """Whether both hold the same fields and values; NaN is the same as NaN."""
        return self.columns.keys() == other.columns.keys() and all(
            values.dtype == other.columns[name].dtype
            and np.array_equal(values, other.columns[name], equal_nan=values.dtype.kind == "f")
            for name, values in self.columns.items()
        )

    def _field(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise InputError(
                f"{self.path}: has no field {name}. It holds "
                f"{', '.join(list(self.columns)[:_MOST_NAMED])}"
                f"{' …' if len(self.columns) > _MOST_NAMED else ''}. The job's passthrough file "
                f"may have it: give that too, or export the group {name.partition('/')[0]} as well."
            )
        return self.columns[name]


def read_cs(
    path: str | os.PathLike[str], passthrough: Sequence[str | os.PathLike[str]] | None = None
) -> CsTable:
    """Read a .cs file with its passthrough files, or the .cs files that a .csg names.

    Parameters
    ----------
    passthrough: files whose further fields are joined by ``uid``. None: those that lie beside the
        file under the names that cryoSPARC gives them; an empty list: none.

    Raises
    ------
    InputError
        If a file is absent, damaged, has no rows, or lacks particles of the first.
    """
    path = Path(path)
    if path.suffix == ".csg":
        if passthrough:
            raise InputError(
                f"{path}: a .csg names all files of its particles; give it without passthrough "
                "files, or give the .cs files themselves."
            )
        return _read_group(path)
    if passthrough is None:
        passthrough = find_passthrough(path)
    table = CsTable(read_cs_columns(path), path)
    _check_rows(table)
    for name in passthrough:
        companion = Path(name)
        table = _joined(table, companion, read_cs_columns(companion))
    return table


def write_cs(path: str | os.PathLike[str], table: CsTable) -> None:
    """Write a plain .cs file, which cryoSPARC and cryosparc-tools open; whole or not at all.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disc is full.
    """
    write_cs_columns(Path(path), table.columns)


def find_passthrough(path: Path) -> list[Path]:
    """Find the passthrough files of a .cs file by name: same folder, same job, same output."""
    own = _JOB.match(path.name)
    rest = own["rest"] if own else path.name
    if "passthrough" in path.name or not path.parent.is_dir():
        return []
    found = []
    for candidate in sorted(path.parent.glob("*_passthrough_*.cs")):
        match = _PASSTHROUGH.match(candidate.name)
        if match and match["rest"] == rest and (own is None or match["job"] == own["job"]):
            found.append(candidate)
    return found


def _check_rows(table: CsTable) -> None:
    if len(table) == 0:
        raise InputError(
            f"{table.path}: holds no particles: 0 rows of {len(table.columns)} fields. Give the "
            "file of a job that kept some."
        )


def _joined(table: CsTable, companion: Path, columns: dict[str, np.ndarray]) -> CsTable:
    """Add the fields that the table does not have, in the order of its rows."""
    for holder, fields in ((table.path, table.columns), (companion, columns)):
        if "uid" not in fields:
            raise InputError(
                f"{holder}: has no field uid, so it cannot be joined with "
                f"{companion if holder == table.path else table.path}. Give one file with all "
                "fields, or export the particles again."
            )
    wanted, uid = table.columns["uid"], columns["uid"]
    order = np.argsort(uid, kind="stable")
    if np.any(uid[order][1:] == uid[order][:-1]):
        raise InputError(
            f"{companion}: holds a uid twice, so its particles cannot be told apart. Give the "
            "passthrough file as cryoSPARC wrote it."
        )
    at = np.searchsorted(uid, wanted, sorter=order)
    row = order[np.minimum(at, len(uid) - 1)] if len(uid) else np.zeros(len(wanted), np.int64)
    found = uid[row] == wanted if len(uid) else np.zeros(len(wanted), bool)
    if not found.all():
        first = int(np.flatnonzero(~found)[0])
        raise InputError(
            f"{table.path}: row {first + 1} (uid {wanted[first]}) is not in {companion} "
            f"({np.sum(~found)} rows likewise). Give the passthrough file of the same job, or "
            "move this one away if it belongs to another."
        )
    new = {name: column[row] for name, column in columns.items() if name not in table}
    return replace(
        table, columns={**table.columns, **new}, companions=(*table.companions, companion)
    )


def _read_group(path: Path) -> CsTable:
    """Read the fields that a .csg names, group by group, each from the file it names."""
    files: dict[Path, set[str]] = {}
    for group, metafile in read_group_files(path).items():
        check_allowed(path.parent / metafile, f"{path}: results/{group}")
        files.setdefault(path.parent / metafile, set()).add(group)
    # The poses' file says which particles there are, and in which order.
    ordered = sorted(files, key=lambda name: "alignments3D" not in files[name])
    table: CsTable | None = None
    for name in ordered:
        columns = read_cs_columns(name)
        kept = {
            field: column
            for field, column in columns.items()
            if field == "uid" or field.partition("/")[0] in files[name]
        }
        if table is None:
            table = CsTable(kept, path, (name,))
            _check_rows(replace(table, path=name))
        else:
            table = _joined(table, name, kept)
    if table is None:
        raise InputError(f"{path}: names no .cs files. Export the particles again.")
    return table
