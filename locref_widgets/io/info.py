"""What a file holds and what is wrong with it, for ``locref info``."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from locref_widgets.engine.ctf import CTFParameters
from locref_widgets.errors import InputError
from locref_widgets.io.cs import CsTable, read_cs
from locref_widgets.io.cs_particles import (
    image_names,
    optics_groups,
    read_cs_ctf,
    read_cs_half_sets,
    read_cs_poses,
)
from locref_widgets.io.image_stack import ImageStack
from locref_widgets.io.images import ImageNames, ParticleImages, find_bad_images, open_images
from locref_widgets.io.map_info import map_facts
from locref_widgets.io.mrc import same_size
from locref_widgets.io.mrc_header import read_header
from locref_widgets.io.optics import Optics, find_optics, read_ctf
from locref_widgets.io.particle_tables import (
    check_box,
    find_particle_block,
    read_cs_pixel_size,
    read_pixel_size,
)
from locref_widgets.io.particles import CS_SUFFIXES
from locref_widgets.io.poses import check_half_set_balance, read_half_sets, read_poses
from locref_widgets.io.star import read_star
from locref_widgets.io.star_table import StarTable

_MOST_IMAGES_CHECKED = 1000

Result = TypeVar("Result")


class _Faults(list[str]):
    """Faults found so far, each as the sentence a refinement would stop with."""

    def attempt(self, function: Callable[..., Result], *arguments: Any) -> Result | None:
        """Call a reader; note its complaint and return None if it has one."""
        try:
            return function(*arguments)
        except InputError as error:
            self.append(str(error))
            return None


def describe(
    path: str | os.PathLike[str], table: dict[str, StarTable] | CsTable | None = None
) -> dict[str, Any]:
    """Describe a map, an image stack, a STAR file or particles of cryoSPARC.

    Parameters
    ----------
    table
        What `read_star` or `read_cs` gave for the file, where that has been called already.

    Returns
    -------
    ``kind`` (``map``, ``image stack``, ``particles``, ``STAR``, ``unknown``), ``path``, ``facts``
    (name with unit -> value, fit for JSON) and ``faults``: everything a refinement would complain
    of, in sentences.

    Raises
    ------
    InputError
        If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file. Check the name and the folder.")
    faults = _Faults()
    if path.suffix in CS_SUFFIXES:
        given = table if isinstance(table, CsTable) else None
        kind, facts = _describe_cs(path, faults, given)
    elif path.suffix == ".star":
        kind, facts = _describe_star(path, faults, table if isinstance(table, dict) else None)
    else:
        kind, facts = _describe_mrc(path, faults)
    return {"kind": kind, "path": str(path), "facts": facts, "faults": list(faults)}


def _describe_mrc(path: Path, faults: _Faults) -> tuple[str, dict[str, Any]]:
    header = faults.attempt(read_header, path)
    if header is None:
        return "unknown", {"file_bytes": path.stat().st_size}
    facts: dict[str, Any] = {
        "size_xyz": list(header.size),
        "mode": header.mode,
        "byte_order": "big" if header.dtype.byteorder == ">" else "little",
        "voxel_size_angstrom": [round(size, 6) for size in header.voxel_size_angstrom],
    }
    # A stack cannot be read from within a compressed file, so that it is a map of few sections.
    flat = header.packing is None and header.size[0] == header.size[1] != header.size[2]
    if path.suffix == ".mrcs" or flat:
        return "image stack", facts | (faults.attempt(_stack_facts, path, faults) or {})
    more, wrong = map_facts(header)
    faults += wrong
    return "map", facts | {"size_xyz": list(header.size_xyz)} | more


def _stack_facts(path: Path, faults: _Faults) -> dict[str, Any]:
    stack = ImageStack(path)
    ny, nx = stack.box
    if ny != nx:
        faults.append(f"{path}: the images are not square: {nx} x {ny} (x, y) pixels.")
    rows = _sample(len(stack))
    _note_bad_images(find_bad_images(stack.read, rows), str(path), "image", faults)
    return {"images": len(stack), "images_checked": len(rows)}


def _sample(count: int) -> np.ndarray:
    """Pick evenly spaced rows; not all, since a stack may be larger than a terabyte."""
    return np.unique(np.linspace(0, count - 1, min(count, _MOST_IMAGES_CHECKED)).astype(np.int64))


def _note_bad_images(bad: list[tuple[int, str]], where: str, what: str, faults: _Faults) -> None:
    if bad:
        row, reason = bad[0]
        faults.append(
            f"{where}: {what} {row + 1} {reason} ({len(bad)} of the images checked are bad). They "
            "are set aside in a refinement."
        )


def _describe_star(
    path: Path, faults: _Faults, blocks: dict[str, StarTable] | None
) -> tuple[str, dict[str, Any]]:
    blocks = faults.attempt(read_star, path) if blocks is None else blocks
    if blocks is None:
        return "unknown", {"file_bytes": path.stat().st_size}
    facts: dict[str, Any] = {
        "blocks": {
            name: {"rows": len(table), "columns": list(table.columns)}
            for name, table in blocks.items()
        }
    }
    if not any("rlnImageName" in table for table in blocks.values()):
        return "STAR", facts
    name = faults.attempt(find_particle_block, path, blocks)
    if name is not None:
        facts |= _particle_facts(path, blocks[name], blocks.get("optics"), faults)
    return "particles", facts


def _particle_facts(
    path: Path, table: StarTable, groups: StarTable | None, faults: _Faults
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "particles": len(table),
        "format": "RELION 3.0" if groups is None else "RELION 3.1 or later",
    }
    names = faults.attempt(ImageNames.parse, table.strings("rlnImageName"), path)
    images = None if names is None else faults.attempt(open_images, names, path)
    if images is not None:
        facts |= _image_facts(path, images, faults)
    facts |= _half_set_facts(path, faults.attempt(read_half_sets, table), faults)
    optics = faults.attempt(find_optics, table, groups)
    if optics is not None:
        facts |= _optics_facts(optics, images, faults)
    # The pixel size only scales origins in pixels; whether poses are there does not depend on it.
    faults.attempt(read_poses, table, facts.get("pixel_size_angstrom", 1.0))
    return facts


def _describe_cs(path: Path, faults: _Faults, table: CsTable | None) -> tuple[str, dict[str, Any]]:
    table = faults.attempt(read_cs, path) if table is None else table
    if table is None:
        return "unknown", {"file_bytes": path.stat().st_size}
    facts: dict[str, Any] = {
        "particles": len(table),
        "format": "cryoSPARC",
        "fields": list(table.columns),
        "companions": [str(companion) for companion in table.companions],
    }
    names = faults.attempt(image_names, table)
    images = None if names is None else faults.attempt(open_images, names, path)
    if images is not None:
        facts |= _image_facts(path, images, faults)
    facts |= _half_set_facts(path, faults.attempt(read_cs_half_sets, table), faults)
    grouped = faults.attempt(optics_groups, table)
    if grouped is not None:
        group = grouped[0]
        facts["optics_groups"] = len(grouped[1])
        pixel_size = faults.attempt(read_cs_pixel_size, table, group, images)
        if pixel_size is not None:
            facts["pixel_size_angstrom"] = pixel_size
            header = np.zeros(0) if images is None else images.header_pixel_sizes_angstrom
            faults += _pixel_size_warnings(path, pixel_size, header)
    ctf = faults.attempt(read_cs_ctf, table)
    if ctf is not None:
        facts |= _ctf_facts(ctf)
    faults.attempt(read_cs_poses, table)
    return "particles", facts


def _half_set_facts(path: Path, half_sets: np.ndarray | None, faults: _Faults) -> dict[str, Any]:
    if half_sets is None:
        return {}
    faults += [f"{path}: {warning}" for warning in check_half_set_balance(half_sets)]
    return {"half_sets": [int(np.sum(half_sets == half)) for half in (1, 2)]}


def _image_facts(path: Path, images: ParticleImages, faults: _Faults) -> dict[str, Any]:
    rows = _sample(len(images.which))
    _note_bad_images(find_bad_images(images.read, rows), str(path), "the image of row", faults)
    return {
        "stacks": len(images.stacks),
        "box_px": images.box_px,
        "modes": sorted({stack.mode for stack in images.stacks}),
        "images_checked": len(rows),
    }


def _optics_facts(optics: Optics, images: ParticleImages | None, faults: _Faults) -> dict[str, Any]:
    facts: dict[str, Any] = {"optics_groups": len(np.unique(optics.group))}
    header = np.zeros(len(optics.group))
    if images is not None:
        header = images.header_pixel_sizes_angstrom
        faults.attempt(check_box, optics, images)
    pixel_size = faults.attempt(read_pixel_size, optics, header)
    if pixel_size is not None:
        facts["pixel_size_angstrom"] = pixel_size
        faults += _pixel_size_warnings(optics.particles.path, pixel_size, header)
    ctf = faults.attempt(read_ctf, optics)
    return facts if ctf is None else facts | _ctf_facts(ctf)


def _ctf_facts(ctf: CTFParameters) -> dict[str, Any]:
    defocus = (np.asarray(ctf.defocus_u_angstrom) + np.asarray(ctf.defocus_v_angstrom)) / 2
    identity = np.array_equal(ctf.magnification, np.zeros_like(ctf.magnification) + np.eye(2))
    return {
        "voltage_kv": _distinct(ctf.voltage_kv),
        "spherical_aberration_mm": _distinct(ctf.spherical_aberration_mm),
        "defocus_angstrom": [round(float(d), 1) for d in (defocus.min(), defocus.max())],
        "phase_plate": bool(np.any(ctf.phase_shift_deg)),
        "beam_tilt": bool(np.any(ctf.beam_tilt_mrad)),
        "zernike_terms": [ctf.odd_zernike.shape[1], ctf.even_zernike.shape[1]],
        "anisotropic_magnification": not identity,
    }


def _distinct(values: Any) -> list[float]:
    """Distinct numbers of a float32 array, with the digits they were written with."""
    return [float(str(value)) for value in np.unique(values)]


def _pixel_size_warnings(path: Path | None, table: float, header: np.ndarray) -> list[str]:
    """Warn of stacks whose header holds another pixel size than the table, which is used."""
    # Many programs leave 0 or 1 in the header, meaning that they did not know.
    other = [size for size in np.unique(header).tolist() if size not in (0.0, 1.0)]
    wrong = [size for size in other if not same_size(table, size)]
    if not wrong:
        return []
    warning = (
        f"{path}: the pixel size is {table:.4f} Å by the table, but {wrong[0]:.4f} Å by the header "
        "of a stack. The table's is used; mend it if it is wrong."
    )
    return [warning]
