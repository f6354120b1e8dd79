"""The CTF of a STAR file as cryoSPARC keeps it."""

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.errors import InputError
from locref_widgets.io.aberrations import (
    EVEN_TERMS,
    ODD_TERMS,
    CsOptics,
    ZernikeTerms,
    cs_from_zernike,
)
from locref_widgets.io.not_carried import NotCarried
from locref_widgets.io.optics import Optics, check_positive

_NEEDED_FOR_CTF = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast", "rlnDefocusU")
_CTF = (*_NEEDED_FOR_CTF, "rlnDefocusV", "rlnDefocusAngle", "rlnPhaseShift", "rlnCtfScalefactor")
_ABERRATIONS = ("rlnBeamTiltX", "rlnBeamTiltY", "rlnOddZernike", "rlnEvenZernike")
_MAGNIFICATION = ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11")


def ctf_fields(
    optics: Optics, group: Int[np.ndarray, " n"], used: set[str], left: list[NotCarried]
) -> dict[str, np.ndarray]:
    """Make the fields of ``ctf/``; note the columns used and those left out.

    ``group`` holds the exposure group of every particle.

    Raises
    ------
    InputError
        If a value is no number, is out of range, or does not fit into a float32.
    """
    n = len(optics.particles)
    absent = [name for name in _NEEDED_FOR_CTF if name not in optics]
    if absent:
        reason = f"a CTF needs {', '.join(absent)} too"
        names = (*_CTF, *_ABERRATIONS, *_MAGNIFICATION)
        left.extend(NotCarried(name, reason) for name in names if name in optics)
        return {}
    used |= {*_CTF, *_ABERRATIONS, *_MAGNIFICATION}

    # These are rounded to float32 first, so that the lengths belong to the values that are stored.
    voltage_kv, cs_mm = (
        read_float32(optics, name).astype(np.float64) for name in _NEEDED_FOR_CTF[:2]
    )
    check_positive(optics, voltage_kv, "rlnVoltage")
    df1 = optics.floats("rlnDefocusU")
    df2 = optics.floats("rlnDefocusV") if "rlnDefocusV" in optics else df1
    angle = optics.floats("rlnDefocusAngle", default=0.0 if np.array_equal(df1, df2) else None)
    none = np.zeros((n, 2))
    before = CsOptics(
        accel_kv=voltage_kv,
        cs_mm=cs_mm,
        df1_angstrom=df1,
        df2_angstrom=df2,
        df_angle_rad=np.deg2rad(angle),
        phase_shift_rad=np.deg2rad(optics.floats("rlnPhaseShift", default=0.0)),
        shift_angstrom=none,
        tilt_angstrom=none,
        trefoil_angstrom=none,
        tetra_angstrom=np.zeros((n, 4)),
    )
    tilt = [optics.floats(name, default=0.0) for name in ("rlnBeamTiltX", "rlnBeamTiltY")]
    lists = [
        _terms(optics, "rlnOddZernike", ODD_TERMS, left),
        _terms(optics, "rlnEvenZernike", EVEN_TERMS, left),
    ]
    ctf = cs_from_zernike(before, ZernikeTerms(np.stack(tilt, axis=-1), *lists))
    magnification = np.tile([1.0, 0.0, 0.0, 1.0], (n, 1))
    if any(name in optics for name in _MAGNIFICATION):
        magnification = np.stack([optics.floats(name) for name in _MAGNIFICATION], axis=-1)
    fields = {
        "accel_kv": ctf.accel_kv,
        "cs_mm": ctf.cs_mm,
        "amp_contrast": optics.floats("rlnAmplitudeContrast"),
        "df1_A": ctf.df1_angstrom,
        "df2_A": ctf.df2_angstrom,
        "df_angle_rad": ctf.df_angle_rad,
        "phase_shift_rad": ctf.phase_shift_rad,
        "scale": np.abs(optics.floats("rlnCtfScalefactor", default=1.0)),
        "scale_const": np.zeros(n),
        "shift_A": ctf.shift_angstrom,
        "tilt_A": ctf.tilt_angstrom,
        "trefoil_A": ctf.trefoil_angstrom,
        "tetra_A": ctf.tetra_angstrom,
        "anisomag": magnification - [1.0, 0.0, 0.0, 1.0],
        "bfactor": np.zeros(n),
    }
    head = {
        "ctf/type": np.full(n, b"imported"),
        "ctf/exp_group_id": group.astype(np.uint32),
    }
    return head | {f"ctf/{n}": to_float32(optics, f"ctf/{n}", v) for n, v in fields.items()}


def read_float32(optics: Optics, label: str) -> Float[np.ndarray, " n"]:
    """Read a column as float32. Raises InputError if a number does not fit."""
    return to_float32(optics, label, optics.floats(label))


def to_float32(optics: Optics, name: str, values: np.ndarray) -> np.ndarray:
    """Round to float32. Raises InputError if a number does not fit (naming the row, from 1)."""
    bad = np.flatnonzero(
        np.any(np.abs(values.reshape(len(values), -1)) > np.finfo(np.float32).max, axis=1)
    )
    if bad.size:
        raise InputError(
            f"{optics.particles.path}: row {bad[0] + 1} gives {name} = {values[bad[0]]}, more than "
            "cryoSPARC's numbers hold. Mend the row."
        )
    return values.astype(np.float32)


def _terms(
    optics: Optics, name: str, count: int, left: list[NotCarried]
) -> Float[np.ndarray, "n count"]:
    values = optics.lists(name)
    if np.any(values[:, count:]):
        left.append(NotCarried(name, f"terms beyond the first {count}: of too high an order"))
    terms = np.zeros((len(values), count))
    terms[:, : values.shape[1]] = values[:, :count]
    return terms
