"""What a STAR file says about the optics: pixel size, box and the parameters of the CTF.

RELION 3.1 keeps these in optics groups, RELION 3.0 in every row; a value in the row wins over
the group's, as in RELION's own reader.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from locref_widgets.engine.ctf import CTFParameters, make_ctf_parameters
from locref_widgets.errors import InputError
from locref_widgets.io.star_table import StarTable

_MAGNIFICATION = ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11")


@dataclass(frozen=True)
class Optics:
    """The rows of a particle table, each with its optics group."""

    particles: StarTable
    groups: StarTable | None
    """None in files of RELION 3.0."""
    row_of_group: Int[np.ndarray, " n"]
    """Row of ``groups`` of every particle; zeros in files of RELION 3.0."""
    group: Int[np.ndarray, " n"]
    """``rlnOpticsGroup`` of every particle; ones in files of RELION 3.0."""

    def __contains__(self, name: str) -> bool:
        return name in self.particles or (self.groups is not None and name in self.groups)

    def floats(self, name: str, default: float | None = None) -> Float[np.ndarray, " n"]:
        """Read the value of every particle, from its row or its group.

        Raises
        ------
        InputError
            If neither block has the column and there is no default, or a value is no number.
        """
        if name in self.particles:
            return self.particles.floats(name)
        if self.groups is not None and name in self.groups:
            return self.groups.floats(name)[self.row_of_group]
        if default is None:
            blocks = (
                "particle table" if self.groups is None else "particle table or the optics table"
            )
            raise InputError(
                f"{self.particles.path}: no column {name} in the {blocks}. Add it, or write the "
                "file again with the program that estimated it."
            )
        return np.full(len(self.particles), default)

    def lists(self, name: str) -> Float[np.ndarray, "n terms"]:
        """Read lists like ``[0.1,0.2]``, short ones filled with zeros; no terms when absent."""
        if name in self.particles:
            table, rows = self.particles, np.arange(len(self.particles))
        elif self.groups is not None and name in self.groups:
            table, rows = self.groups, self.row_of_group
        else:
            return np.zeros((len(self.particles), 0))
        parsed = [_parse_list(table, name, i, text) for i, text in enumerate(table.strings(name))]
        values = np.zeros((len(parsed), max(map(len, parsed), default=0)))
        for row, terms in zip(values, parsed, strict=True):
            row[: len(terms)] = terms
        return values[rows]


def _parse_list(table: StarTable, name: str, row: int, text: str) -> list[float]:
    try:
        terms = [float(term) for term in text.strip("[]").split(",") if term.strip()]
    except ValueError:
        terms = [np.nan]
    if not np.isfinite(terms).all():
        raise InputError(
            f"{table.path}: block data_{table.name}: row {row + 1} has {name} = {text}, expected "
            "a list of numbers like [0.1,0.2,0.3]. Mend the value."
        )
    return terms


def find_optics(particles: StarTable, groups: StarTable | None) -> Optics:
    """Match every particle with its optics group.

    Raises
    ------
    InputError
        If the particles do not say their group although there are several, or name an absent one.
    """
    n = len(particles)
    if groups is None:
        return Optics(particles, None, np.zeros(n, np.int64), np.ones(n, np.int64))
    if len(groups) == 0:
        raise InputError(
            f"{particles.path}: data_optics has no rows, expected one for each optics group. Add "
            "them, or write the file again with the program that made it."
        )
    numbers = (
        groups.ints("rlnOpticsGroup")
        if "rlnOpticsGroup" in groups
        else np.arange(1, len(groups) + 1)
    )
    if "rlnOpticsGroup" not in particles:
        if len(groups) == 1:
            return Optics(particles, groups, np.zeros(n, np.int64), np.full(n, numbers[0]))
        raise InputError(
            f"{particles.path}: the particle table has no column rlnOpticsGroup, but there are "
            f"{len(groups)} optics groups. Add the column."
        )
    group = particles.ints("rlnOpticsGroup")
    order = np.argsort(numbers, kind="stable")
    at = np.minimum(np.searchsorted(numbers[order], group), len(numbers) - 1)
    row = order[at]
    bad = np.flatnonzero(numbers[row] != group)
    if bad.size:
        raise InputError(
            f"{particles.path}: row {bad[0] + 1} has rlnOpticsGroup = {group[bad[0]]}, but "
            f"data_optics holds only {', '.join(map(str, numbers[:12]))} ({bad.size} rows "
            "likewise). Add the group to data_optics or mend the rows."
        )
    return Optics(particles, groups, row, group)


def pixel_sizes_angstrom(
    optics: Optics, header_angstrom: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Read the pixel size of every particle, from the STAR file or else the stacks' headers.

    ``rlnImagePixelSize``, or detector pixel size (µm) over magnification, or ``rlnPixelSize``.

    Raises
    ------
    InputError
        If none of them is there, or one is not positive.
    """
    if "rlnImagePixelSize" in optics:
        sizes, source = optics.floats("rlnImagePixelSize"), "rlnImagePixelSize"
    elif "rlnDetectorPixelSize" in optics and "rlnMagnification" in optics:
        magnification = optics.floats("rlnMagnification")
        check_positive(optics, magnification, "rlnMagnification")
        with np.errstate(over="ignore"):
            sizes = optics.floats("rlnDetectorPixelSize") * 1e4 / magnification
        source = "rlnDetectorPixelSize / rlnMagnification"
    elif "rlnPixelSize" in optics:
        sizes, source = optics.floats("rlnPixelSize"), "rlnPixelSize"
    elif np.all(header_angstrom > 0):
        return header_angstrom
    else:
        raise InputError(
            f"{optics.particles.path}: no pixel size: neither rlnImagePixelSize (in data_optics), "
            "nor rlnDetectorPixelSize and rlnMagnification, nor a pixel size in the header of "
            "the stack. Add one of them."
        )
    check_positive(optics, sizes, source)
    return sizes


def check_one_size(
    path: Path | None,
    group: Int[np.ndarray, " n"],
    sizes: Float[np.ndarray, " n"] | Int[np.ndarray, " n"],
    what: str,
    tolerance: float,
) -> None:
    """Raise InputError unless all particles have one ``what``, within a relative tolerance."""
    different = np.flatnonzero(np.abs(sizes - sizes[0]) > tolerance * sizes[0])
    if different.size:
        i = different[0]
        raise InputError(
            f"{path}: the particles have more than one {what}: {sizes[0]:g} in row 1 (optics group "
            f"{group[0]}), {sizes[i]:g} in row {i + 1} (optics group {group[i]}). Refine one "
            "optics group at a time, or extract all particles again with the same box and pixel "
            "size."
        )


def read_ctf(optics: Optics) -> CTFParameters:
    """Read the CTF of every particle, numpy float32, in RELION's units and signs.

    Raises
    ------
    InputError
        If defocus, voltage, spherical aberration or amplitude contrast are absent, no numbers
        or out of range, or the images were already multiplied by their CTF.
    """
    if "rlnCtfDataAreCtfPremultiplied" in optics:
        done = optics.floats("rlnCtfDataAreCtfPremultiplied") != 0
        _refuse(
            optics, done, "rlnCtfDataAreCtfPremultiplied", "the images were multiplied by their CTF"
        )
    if "rlnCtfDataArePhaseFlipped" in optics:
        done = optics.floats("rlnCtfDataArePhaseFlipped") != 0
        _refuse(optics, done, "rlnCtfDataArePhaseFlipped", "the phases of the images were flipped")
    voltage = optics.floats("rlnVoltage")
    check_positive(optics, voltage, "rlnVoltage")
    amplitude_contrast = optics.floats("rlnAmplitudeContrast")
    _check_amplitude_contrast(optics, amplitude_contrast)
    defocus_u = optics.floats("rlnDefocusU")
    defocus_v = optics.floats("rlnDefocusV") if "rlnDefocusV" in optics else defocus_u
    round_beam = np.array_equal(defocus_u, defocus_v)
    n = len(optics.particles)
    magnification = np.broadcast_to(np.eye(2), (n, 2, 2))
    if any(name in optics for name in _MAGNIFICATION):
        entries = [optics.floats(name) for name in _MAGNIFICATION]
        magnification = np.stack(entries, axis=-1).reshape(n, 2, 2)
        check_positive(optics, np.linalg.det(magnification), "the determinant of rlnMagMat00 … 11")
    tilts = [optics.floats(name, default=0.0) for name in ("rlnBeamTiltX", "rlnBeamTiltY")]
    return make_ctf_parameters(
        n,
        voltage_kv=voltage,
        spherical_aberration_mm=optics.floats("rlnSphericalAberration"),
        amplitude_contrast=amplitude_contrast,
        defocus_u_angstrom=defocus_u,
        defocus_v_angstrom=defocus_v,
        # Without astigmatism the angle has no meaning, so that files may leave it out.
        defocus_angle_deg=optics.floats("rlnDefocusAngle", default=0.0 if round_beam else None),
        phase_shift_deg=optics.floats("rlnPhaseShift", default=0.0),
        bfactor_angstrom2=optics.floats("rlnCtfBfactor", default=0.0),
        scale=optics.floats("rlnCtfScalefactor", default=1.0),
        beam_tilt_mrad=np.stack(tilts, axis=-1),
        odd_zernike=optics.lists("rlnOddZernike"),
        even_zernike=optics.lists("rlnEvenZernike"),
        magnification=magnification,
    )


def _refuse(optics: Optics, done: Bool[np.ndarray, " n"], name: str, what: str) -> None:
    rows = np.flatnonzero(done)
    if rows.size:
        raise InputError(
            f"{optics.particles.path}: {name} is set (row {rows[0] + 1}, optics group "
            f"{optics.group[rows[0]]}): {what}. Extract the particles again without that."
        )


def _check_amplitude_contrast(optics: Optics, values: Float[np.ndarray, " n"]) -> None:
    bad = np.flatnonzero((values < 0) | (values >= 1))
    if bad.size:
        raise InputError(
            f"{optics.particles.path}: row {bad[0] + 1} (optics group {optics.group[bad[0]]}) has "
            f"rlnAmplitudeContrast = {values[bad[0]]:g}, expected a fraction, at least 0 and below "
            "1: 10 % is 0.1, not 10. Mend the value."
        )


def check_positive(optics: Optics, values: Float[np.ndarray, " n"], name: str) -> None:
    """Raise InputError unless the value of every particle is positive."""
    bad = np.flatnonzero((values <= 0) | np.isinf(values))
    if bad.size:
        raise InputError(
            f"{optics.particles.path}: row {bad[0] + 1} (optics group {optics.group[bad[0]]}) has "
            f"{name} = {values[bad[0]]:g}, expected a positive number. Mend the value."
        )
