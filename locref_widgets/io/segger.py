"""Segmentations in Segger's files (.seg), as Chimera and ChimeraX read and write them.

A .seg file is HDF5 as PyTables writes it. The layout (format 2) is told at the top of Segger's own
``segfile.py``: a volume of labels (``mask``), and a table of regions and groups of regions with
parents, colours, reference points and smoothing levels.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float32, Int32, UInt32

from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer
from locref_widgets.io.pytables import StoredGroup, as_text, open_hdf5, put_array, set_texts

FORMAT, VERSION = "segger", 2
NAME_ATTRIBUTE = "Segment name"
"""The attribute of regions that holds a name given by hand."""

Value = str | int | float
Attributes = Mapping[str, Mapping[int, Value]]

_ARRAYS = (
    "mask", "region_ids", "parent_ids", "region_colors", "ref_points", "smoothing_levels",
    "attributes",
)  # fmt: skip
_TYPES = {"int": np.int32, "float": np.float64}


@dataclass(frozen=True, eq=False)
class SeggerFile:
    """What a .seg file holds. Rows of the tables are regions and groups of regions."""

    mask: UInt32[np.ndarray, "z y x"]
    """The id of the region without children at every voxel, 0 outside."""

    region_ids: Int32[np.ndarray, " n"]
    parent_ids: Int32[np.ndarray, " n"]
    """The group that holds a region or group, 0 if none does."""

    ref_points_xyz: Float32[np.ndarray, "n 3"]
    """A region's maximum, or where the walks of a group met; voxels from the corner."""

    smoothing_px: Float32[np.ndarray, " n"]
    """Standard deviation of the smoothing that made a group; 0 for regions, and groups by hand."""

    colours: Float32[np.ndarray, "n 4"]
    """Red, green, blue and opacity, 0 to 1."""

    level: float | None = None
    """Density that the map was cut at."""

    voxel_to_angstrom: Float32[np.ndarray, "3 4"] | None = None
    """From voxel indices (x, y, z, 1) to coordinates in Å."""

    map_path: str | None = None
    name: str | None = None
    attributes: Attributes = field(default_factory=dict)
    """What else is said of regions, by attribute and id; `NAME_ATTRIBUTE` holds names."""

    left_out: tuple[str, ...] = ()
    """What else is in the file that was read, and is not here."""

    @property
    def names(self) -> dict[int, str]:
        """Names of regions that have one, by id."""
        return {id_: str(name) for id_, name in self.attributes.get(NAME_ATTRIBUTE, {}).items()}


def read_segger(path: str | os.PathLike[str]) -> SeggerFile:
    """Read a segmentation of Segger.

    Pickled attributes are never opened and read as absent.

    Raises
    ------
    InputError
        if the file cannot be read, is damaged, is no segmentation, or its tables do not fit
        together.
    """
    with open_hdf5(Path(path)) as stored:
        if stored.text("format") != FORMAT:
            raise InputError(
                f"{path}: is no segmentation of Segger: its attribute 'format' is not '{FORMAT}'. "
                "Give a .seg file that Chimera or ChimeraX has saved."
            )
        version = stored.number("format_version")
        if version != VERSION:
            raise InputError(
                f"{path}: is of format {version} of Segger's files, expected {VERSION}. Open it in "
                "Segger and save it again."
            )
        region_ids = stored.ids("region_ids", (None,)).astype(np.int32, copy=False)
        n = len(region_ids)
        attributes, used = _read_attributes(stored)
        read = SeggerFile(
            mask=stored.ids("mask", (None,) * 3).astype(np.uint32, copy=False),
            region_ids=region_ids,
            parent_ids=stored.ids("parent_ids", (n,)).astype(np.int32, copy=False),
            ref_points_xyz=stored.numbers("ref_points", (n, 3)),
            smoothing_px=(
                stored.numbers("smoothing_levels", (n,))
                if stored.holds("smoothing_levels")
                else np.zeros(n, np.float32)
            ),
            colours=stored.numbers("region_colors", (n, 4)),
            level=stored.number("map_level"),
            voxel_to_angstrom=stored.matrix("ijk_to_xyz_transform", (3, 4)),
            map_path=stored.text("map_path"),
            name=stored.text("name"),
            attributes=attributes,
            left_out=tuple(sorted(set(stored.group) - {*_ARRAYS} - used)),
        )
    _check(path, read)
    return read


def write_segger(path: str | os.PathLike[str], segmentation: SeggerFile) -> None:
    """Write a segmentation for Segger; whole or not at all.

    Raises
    ------
    InputError
        if its tables do not fit together.
    OutputError
        if the folder cannot be written or the disc is full.
    """
    _check(path, segmentation)
    content = BytesIO()
    with h5py.File(content, "w") as file:
        set_texts(file, CLASS="GROUP", PYTABLES_FORMAT_VERSION="2.0", TITLE="", VERSION="1.0")
        # Segger asks for a name.
        set_texts(file, format=FORMAT, name=segmentation.name or Path(path).name)
        file.attrs["format_version"] = np.int64(VERSION)
        file.attrs["map_size"] = np.array(segmentation.mask.shape[::-1], np.int32)
        if segmentation.map_path:
            set_texts(file, map_path=segmentation.map_path)
        if segmentation.level is not None:
            file.attrs["map_level"] = np.float64(segmentation.level)
        if segmentation.voxel_to_angstrom is not None:
            file.attrs["ijk_to_xyz_transform"] = segmentation.voxel_to_angstrom
        mask = file.create_dataset(
            "mask", data=segmentation.mask, compression="gzip", compression_opts=5, shuffle=True
        )
        set_texts(mask, CLASS="CARRAY", TITLE="", VERSION="1.0")
        put_array(file, "region_ids", segmentation.region_ids)
        put_array(file, "parent_ids", segmentation.parent_ids)
        put_array(file, "ref_points", segmentation.ref_points_xyz)
        put_array(file, "smoothing_levels", segmentation.smoothing_px)
        put_array(file, "region_colors", segmentation.colours)
        _put_attributes(file, segmentation.attributes)
    with atomic_writer(path) as handle:
        handle.write(content.getbuffer())


def _read_attributes(stored: StoredGroup) -> tuple[dict[str, dict[int, Value]], set[str]]:
    """What is said of regions, and the names of the groups that say it."""
    read: dict[str, dict[int, Value]] = {}
    used: set[str] = set()
    listed = stored.array("attributes", (None,), "S") if stored.holds("attributes") else []
    for entry in listed:
        group_name = as_text(entry) or ""
        name, _, kind = group_name.rpartition(" ")
        group = stored.subgroup(group_name)
        if group is None or kind not in {*_TYPES, "string"}:
            continue  # an image
        ids = group.ids("ids", (None,))
        values = group.array("values", ids.shape, "S" if kind == "string" else "iuf").tolist()
        read[group.text("attribute_name") or name] = {
            id_: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            for id_, value in zip(ids.tolist(), values, strict=True)
        }
        used.add(group_name)
    return read, used


def _put_attributes(file: h5py.File, attributes: Attributes) -> None:
    names = []
    for attribute, said in attributes.items():
        values = list(said.values())
        if any(isinstance(value, str) for value in values):
            kind, stored = "string", np.array([str(value).encode() for value in values], "S")
        else:
            kind = "int" if all(isinstance(value, int) for value in values) else "float"
            stored = np.array(values, _TYPES[kind])
        if not values or not stored.dtype.itemsize:
            continue  # HDF5 has no arrays without content
        names.append(f"{attribute.replace('/', '_')} {kind}")
        group = file.create_group(names[-1])
        set_texts(group, CLASS="GROUP", TITLE="region attribute", VERSION="1.0")
        set_texts(group, attribute_name=attribute)
        put_array(group, "ids", np.array(list(said), np.uint32), "region id numbers")
        put_array(group, "values", stored, "attribute values")
    if names:
        put_array(file, "attributes", np.array([name.encode() for name in names], "S"))


def _check(where: object, read: SeggerFile) -> None:
    """Raise InputError unless ids are told once, parents are there, and no group holds itself."""
    ids, parents = read.region_ids.tolist(), read.parent_ids.tolist()
    parent = dict(zip(ids, parents, strict=True))
    groups = {*parents} - {0}
    in_mask = {*_present(read.mask)} - {0}
    repeated = {id_ for id_, times in Counter(ids).items() if times > 1 or id_ < 1}
    for text, faulty in (
        ("the id {} is told twice or is not above 0", repeated),
        ("the group {} that holds a region is not there", groups - {*ids}),
        ("the region {} of the volume is not among the regions", in_mask - {*ids}),
        ("the group {} has voxels of its own", in_mask & groups),
    ):
        if faulty:
            raise InputError(
                f"{where}: the segmentation does not fit together: {text.format(min(faulty))}. "
                "The file is damaged or was not made by Segger."
            )
    sound = {0}
    for node in ids:
        way = []
        while node not in sound:
            if node in way:
                raise InputError(
                    f"{where}: the segmentation does not fit together: the group {node} is held by "
                    "itself. The file is damaged or was not made by Segger."
                )
            way.append(node)
            node = parent[node]  # noqa: PLW2901 - climbs
        sound.update(way)


def _present(mask: UInt32[np.ndarray, "z y x"]) -> list[int]:
    """The values in a volume of labels."""
    if mask.size and int(mask.max()) <= mask.size:
        return np.flatnonzero(np.bincount(mask.ravel())).tolist()
    return np.unique(mask).tolist()
