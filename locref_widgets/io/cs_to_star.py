"""Particles of cryoSPARC as a STAR file of RELION 3.1 with optics groups."""

from collections.abc import Iterator, Mapping
from functools import cached_property, partial

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.conventions import euler_from_rotation
from locref_widgets.errors import InputError
from locref_widgets.io.cs import CsTable
from locref_widgets.io.cs_particles import (
    LENGTHS,
    image_names,
    image_signs,
    optics_groups,
    read_cs_poses,
    zernike_terms,
)
from locref_widgets.io.not_carried import NotCarried, read_or_leave
from locref_widgets.io.star_table import TOKEN_DTYPE, StarTable, format_token
from locref_widgets.io.uids import UID_LABEL

PLAIN_FIELDS = {
    "ctf/bfactor": "rlnCtfBfactor",
    "ctf/cross_corr_ctffind4": "rlnCtfFigureOfMerit",
    "ctf/ctf_fit_to_A": "rlnCtfMaxResolution",
    "pick_stats/ncc_score": "rlnAutopickFigureOfMerit",
}
"""Per particle, with the same meaning and unit on both sides."""

_VERSION = "# version 30001"
_OPTICS_FIELDS = {
    "ctf/accel_kv": "rlnVoltage",
    "ctf/cs_mm": "rlnSphericalAberration",
    "ctf/amp_contrast": "rlnAmplitudeContrast",
    "blob/psize_A": "rlnImagePixelSize",
}
_LOCATION = ("location/center_x_frac", "location/center_y_frac", "location/micrograph_shape")


class ConvertedBlocks(Mapping[str, StarTable]):
    """The blocks of the STAR file that a table of cryoSPARC becomes, made when first looked at."""

    def __init__(self, table: CsTable) -> None:
        self._table = table

    @cached_property
    def _converted(self) -> tuple[dict[str, StarTable], list[NotCarried]]:
        return cs_to_star(self._table)

    @property
    def _blocks(self) -> dict[str, StarTable]:
        return self._converted[0]

    @property
    def not_carried(self) -> list[NotCarried]:
        """Fields that RELION has no column for, each with the reason."""
        return self._converted[1]

    def __getitem__(self, name: str) -> StarTable:
        return self._blocks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)


def cs_to_star(table: CsTable) -> tuple[dict[str, StarTable], list[NotCarried]]:
    """Convert every field that RELION has a column for; list the others with the reason.

    Numbers keep all digits of their float32. Paths are written without the sign > in front.

    Raises
    ------
    InputError
        If the table holds neither images nor places on micrographs, or a number is not finite.
    """
    used = {"uid"}
    left: list[NotCarried] = []
    particles: dict[str, np.ndarray] = {}
    if "blob/path" in table:
        names = image_names(table)
        quoted = [format_token(f"1@{name}").startswith(('"', "'")) for name in names.names]
        tokens = [
            f"{number + 1:06d}@{names.names[which]}"
            for number, which in zip(names.number.tolist(), names.which.tolist(), strict=True)
        ]
        if any(quoted):
            tokens = [format_token(token) for token in tokens]
        particles["rlnImageName"] = np.array(tokens, dtype=TOKEN_DTYPE)
        used |= {"blob/path", "blob/idx"}
    particles |= _location(table, used, left)
    if not particles:
        raise InputError(
            f"{table.path}: holds neither images (blob/path) nor places on micrographs "
            "(location/…), so there is nothing to write a STAR file of. Give the passthrough file "
            "of the job too."
        )
    particles |= _alignments(table, used, left)
    particles |= _ctf(table, used)
    for name, label in PLAIN_FIELDS.items():
        if name in table:
            used.add(name)
            values = read_or_leave(left, [name], partial(table.numbers, name))
            if values is not None:
                particles[label] = _shortest(values)
    group, first = optics_groups(table)
    optics = _optics(table, first, used)
    optics |= _micrograph_pixel(table, group, first, used, left)
    particles["rlnOpticsGroup"] = group.astype(TOKEN_DTYPE)
    if "uid" in table:
        particles[UID_LABEL] = table.numbers("uid").astype(TOKEN_DTYPE)
    blocks = {
        name: StarTable(columns, table.path, name, comments=[_VERSION])
        for name, columns in (("optics", optics), ("particles", particles))
    }
    left += [NotCarried(name, _why_not(name, table)) for name in table.columns if name not in used]
    return blocks, left


def _alignments(table: CsTable, used: set[str], left: list[NotCarried]) -> dict[str, np.ndarray]:
    """Angles, origins, half-set and class of the refinement, or of the 2D classification."""
    columns: dict[str, np.ndarray] = {}
    group = "alignments3D"
    if "alignments3D/pose" in table:
        rotations, origins = read_cs_poses(table)
        angles = euler_from_rotation(rotations)
        for axis, values in zip(("Rot", "Tilt", "Psi"), angles, strict=True):
            columns[f"rlnAngle{axis}"] = digits(values)
    elif "alignments2D/pose" in table:
        group = "alignments2D"
        columns["rlnAnglePsi"] = digits(np.rad2deg(table.floats("alignments2D/pose")))
        name = f"{group}/psize_A" if f"{group}/psize_A" in table else "blob/psize_A"
        origins = table.floats(f"{group}/shift", 2) * table.floats(name)[:, None]
    else:
        return columns
    used |= {f"{group}/{field}" for field in ("pose", "shift", "psize_A")}
    for axis, name in enumerate(("rlnOriginXAngst", "rlnOriginYAngst")):
        columns[name] = digits(origins[:, axis])
    # cryoSPARC splits no particles for a 2D classification: the field is zero there.
    if group == "alignments3D" and f"{group}/split" in table:
        split = table.integers(f"{group}/split")
        columns["rlnRandomSubset"] = (split + 1).astype(TOKEN_DTYPE)
        used.add(f"{group}/split")
    if f"{group}/class" in table:
        name = f"{group}/class"
        number = read_or_leave(left, [name], partial(table.integers, name))
        used.add(name)
        if number is not None:
            columns["rlnClassNumber"] = (number + 1).astype(TOKEN_DTYPE)
    return columns


def _ctf(table: CsTable, used: set[str]) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for name, label in (("ctf/df1_A", "rlnDefocusU"), ("ctf/df2_A", "rlnDefocusV")):
        if name in table:
            columns[label] = digits(table.floats(name))
            used.add(name)
    for name, label in (
        ("ctf/df_angle_rad", "rlnDefocusAngle"),
        ("ctf/phase_shift_rad", "rlnPhaseShift"),
    ):
        if name in table:
            columns[label] = digits(np.rad2deg(table.floats(name)))
            used.add(name)
    # RELION has no sign of the images, but a scale of the CTF, which may be negative.
    scale = image_signs(table) * table.floats("ctf/scale", default=1.0)
    if "ctf/df1_A" in table:
        used |= {"blob/sign", "ctf/scale"}
        if np.any(scale != 1):
            columns["rlnCtfScalefactor"] = digits(scale)
    return columns


def _location(table: CsTable, used: set[str], left: list[NotCarried]) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    name = "location/micrograph_path"
    texts = read_or_leave(left, [name], partial(table.texts, name)) if name in table else None
    if texts is not None:
        paths, which = np.unique(texts, return_inverse=True)
        names = [path.decode("utf-8", "replace").removeprefix(">") for path in paths.tolist()]
        tokens = np.array([format_token(name) for name in names], dtype=TOKEN_DTYPE)
        columns["rlnMicrographName"] = tokens[which]
    used.add(name)
    if all(name in table for name in _LOCATION):
        used |= set(_LOCATION)
        coordinates = read_or_leave(left, _LOCATION, partial(_coordinates, table))
        if coordinates is not None:
            columns["rlnCoordinateX"], columns["rlnCoordinateY"] = map(digits, coordinates)
    return columns


def _coordinates(table: CsTable) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    shape = table.floats("location/micrograph_shape", 2)
    x, y = (table.floats(f"location/center_{axis}_frac") for axis in "xy")
    # cryoSPARC counts upwards from the lower edge, RELION downwards from the upper one.
    return x * shape[:, 1], (1 - y) * shape[:, 0]


def _micrograph_pixel(
    table: CsTable,
    group: Int[np.ndarray, " n"],
    first: Int[np.ndarray, " g"],
    used: set[str],
    left: list[NotCarried],
) -> dict[str, np.ndarray]:
    """Pixel size of the micrographs, which RELION keeps by optics group."""
    name = "location/micrograph_psize_A"
    if name not in table:
        return {}
    used.add(name)
    sizes = read_or_leave(left, [name], partial(table.numbers, name))
    if sizes is None:
        return {}
    if np.any(sizes != sizes[first[group - 1]]):
        left.append(NotCarried(name, "differs within an optics group"))
        return {}
    return {"rlnMicrographPixelSize": _shortest(sizes[first])}


def _optics(table: CsTable, first: Int[np.ndarray, " g"], used: set[str]) -> dict[str, np.ndarray]:
    """Columns of the optics groups, each taken from its first particle."""
    rows = table.take(first)
    numbers = np.arange(1, len(first) + 1)
    columns = {
        "rlnOpticsGroup": numbers.astype(TOKEN_DTYPE),
        "rlnOpticsGroupName": _group_names(rows, used),
    }
    for name, label in _OPTICS_FIELDS.items():
        if name in table:
            columns[label] = _shortest(rows.numbers(name))
            used.add(name)
    if "blob/shape" in table:
        columns["rlnImageSize"] = rows.integers("blob/shape", 2)[:, 0].astype(TOKEN_DTYPE)
        used.add("blob/shape")
    columns["rlnImageDimensionality"] = np.full(len(first), "2", dtype=TOKEN_DTYPE)
    if "ctf/accel_kv" in table and "ctf/cs_mm" in table:
        used |= set(LENGTHS)
        terms = zernike_terms(rows)
        if np.any(terms.beam_tilt_mrad):
            for axis, label in enumerate(("rlnBeamTiltX", "rlnBeamTiltY")):
                columns[label] = digits(terms.beam_tilt_mrad[:, axis])
        for label, lists in (("rlnOddZernike", terms.odd), ("rlnEvenZernike", terms.even)):
            if np.any(lists):
                columns[label] = np.array([_list(row) for row in lists], dtype=TOKEN_DTYPE)
    if "ctf/anisomag" in table:
        used.add("ctf/anisomag")
        entries = rows.floats("ctf/anisomag", 4)
        if np.any(entries):
            # Small numbers beside one: all digits, or their float32 would not come back.
            for i, label in enumerate(("00", "01", "10", "11")):
                values = entries[:, i] + (label in ("00", "11"))
                columns[f"rlnMagMat{label}"] = values.astype(TOKEN_DTYPE)
    return columns


def _group_names(rows: CsTable, used: set[str]) -> np.ndarray:
    """Name the groups after their exposure groups, a second part of one with a number behind."""
    if "ctf/exp_group_id" not in rows:
        return np.array([f"opticsGroup{i + 1}" for i in range(len(rows))], dtype=TOKEN_DTYPE)
    used.add("ctf/exp_group_id")
    seen: dict[int, int] = {}
    names = []
    for number in rows.integers("ctf/exp_group_id").tolist():
        seen[number] = seen.get(number, 0) + 1
        part = f"_{seen[number]}" if seen[number] > 1 else ""
        names.append(f"exposureGroup{number}{part}")
    return np.array(names, dtype=TOKEN_DTYPE)


def _why_not(name: str, table: CsTable) -> str:
    group, _, field = name.partition("/")
    if group == "alignments2D" and "alignments3D/pose" in table:
        return "the poses of the 3D refinement are written"
    if group == "location" and field in ("center_x_frac", "center_y_frac"):
        return "the size of the micrograph is unknown (location/micrograph_shape)"
    if group.startswith("alignments_class"):
        return "one class of several; RELION keeps one pose a particle"
    return "RELION has no column for it"


def digits(values: Float[np.ndarray, " n"]) -> np.ndarray:
    """Write numbers with twelve digits: enough for a float32 to come back as it was."""
    return np.array([f"{value:.12g}" for value in values.tolist()], dtype=TOKEN_DTYPE)


def _shortest(values: np.ndarray) -> np.ndarray:
    """Write numbers as they are stored, with as few digits as tell them apart."""
    return values.astype(TOKEN_DTYPE)


def _list(values: np.ndarray) -> str:
    return "[" + ",".join(f"{value:.12g}" for value in values.tolist()) + "]"
