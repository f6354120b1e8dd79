"""Every real map, mask and stack: what becomes of it, and that its values are the right ones.

mrcfile gives the values as they are stored, gemmi brings the axes in order and the box to its place
in the cell; both do it without a line of ours.
"""

import bz2
import gzip
from pathlib import Path

import gemmi
import mrcfile
import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.image_stack import ImageStack
from locref_widgets.io.info import describe
from locref_widgets.io.mrc import read_map, read_values
from locref_widgets.io.mrc_header import MRCHeader, read_header
from tests.io.outcome_table import write_outcome_table

READ = "read"
NOT_CUBIC = "not cubic"

# What read_map makes of each map: READ, or a part of the reason why not. What is not cubic is read
# with cubic=False all the same, unless a second reason is given.
EXPECTED_MAPS: dict[str, tuple[str, ...]] = {
    "maps/EMD-1997.map": (READ,),
    "maps/EMD-3001.map.bz2": (NOT_CUBIC, "angles are 90.00, 94.33, 90.00"),
    "maps/EMD-3197.map": (READ,),
    "maps/betaGal.mrc": (READ,),
    "maps/betaGal_localResolution.mrc": (READ,),
    "maps/clean70SRibosome_vol_65p.mrc": ("holds no voxel size",),
    "maps/emd20026_prot.mrc": (NOT_CUBIC, READ),
    "maps/emd_1099.map": (READ,),
    "maps/emd_1155.ccp4": (NOT_CUBIC, READ),
    "maps/emd_2479.map": (READ,),
    "maps/emd_3197.map.gz": (READ,),
    "maps/low-res-emd-32143.map": (READ,),
    "masks/emd_1832.map": (READ,),
    "masks/emd_5168.map": (READ,),
    "masks/emd_5168_monomer.mrc": (NOT_CUBIC, READ),
    "particles/empiar10059_trpv1_10/trpv1_volume.mrc": (READ,),
    "particles/warptools_ribosome_40/warptools_test_box-32_angpix-12_reconstruct.mrc": (READ,),
}
# Images, box, mode.
EXPECTED_STACKS = {
    "particles/empiar10059_trpv1_10/trpv1_small_stack.mrcs": (10, 48, 2),
    "particles/empiar10076_7/empiar_10076_7.mrc": (7, 320, 2),
    "particles/relion31_microtubule_5/relion31.mrcs": (5, 256, 2),
}
WARP = "particles/warptools_ribosome_40"  # 40 stacks of 37 images, 32 px, float16

# Where the first voxel lies, in voxels (x, y, z), for those that are not at zero.
CORNERS_PX = {
    "maps/EMD-1997.map": (-50, -50, -50),
    "maps/EMD-3197.map": (-2, 0, 0),
    "maps/emd20026_prot.mrc": (180, 101, 156),
    "maps/emd_1099.map": (-32, -32, -32),
    "maps/emd_2479.map": (-40, -40, -40),
    "maps/emd_3197.map.gz": (-2, 0, 0),
    "masks/emd_1832.map": (-32, -32, -32),
    "masks/emd_5168.map": (-50, -50, -50),
    "masks/emd_5168_monomer.mrc": (-19, -14, -52),
}
# The header's cell does not go with its box (91 x 141 x 281 samples, 141 x 91 x 281 voxels).
BOX_BEYOND_THE_CELL = {"maps/emd_1155.ccp4"}


def outcome(path: Path, *, cubic: bool = True) -> str:
    try:
        read_map(path, cubic=cubic)
    except InputError as error:
        where, _, reason = str(error).partition(": ")
    else:
        return READ
    assert where == str(path)
    return reason


def unpacked(path: Path, folder: Path) -> Path:
    """The file itself, or what gzip or bzip2 made of it."""
    opener = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix)
    if opener is None:
        return path
    with opener(path) as handle:
        (folder / path.stem).write_bytes(handle.read())
    return folder / path.stem


def by_mrcfile(path: Path, axes: tuple[int, int, int]) -> np.ndarray:
    """Values ``[z, y, x]``; mrcfile leaves the order of axes to its caller."""
    with mrcfile.open(path, permissive=True) as handle:
        return np.moveaxis(handle.data, [0, 1, 2], [3 - axis for axis in axes[::-1]])


def by_gemmi(path: Path, header: MRCHeader) -> tuple[np.ndarray, np.ndarray | None]:
    """Values ``[z, y, x]`` by the order of axes, and again looked up at their place in the cell."""
    in_order = gemmi.read_ccp4_map(str(path), setup=False)
    in_order.setup(float("nan"), gemmi.MapSetup.ReorderOnly)
    cell = gemmi.read_ccp4_map(str(path), setup=False)
    cell.setup(float("nan"), gemmi.MapSetup.NoSymmetry)
    whole = np.array(cell.grid, copy=True)
    start = header.position.start_px
    places = [
        (first + np.arange(n)) % period
        for first, n, period in zip(start, header.size_xyz, whole.shape, strict=True)
    ]
    return np.array(in_order.grid, copy=True).transpose(2, 1, 0), whole[np.ix_(*places)].T


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", EXPECTED_MAPS)
def test_every_real_map_holds_what_mrcfile_and_gemmi_read(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    path = shared_data / name
    header = read_header(path)
    ours = read_values(header)
    plain = unpacked(path, tmp_path)
    np.testing.assert_array_equal(ours, by_mrcfile(plain, header.axes).astype(np.float32))
    in_order, in_cell = by_gemmi(plain, header)
    np.testing.assert_array_equal(ours, in_order)
    if name not in BOX_BEYOND_THE_CELL:
        np.testing.assert_array_equal(ours, in_cell)
    with mrcfile.open(plain, permissive=True) as handle:
        voxel = [float(handle.voxel_size[axis]) for axis in "xyz"]
    np.testing.assert_allclose(header.voxel_size_angstrom, voxel, rtol=1e-6)
    corner = np.zeros(3)
    if voxel[0]:
        corner = header.position.corner_px(voxel[0])
    if EXPECTED_MAPS[name][-1] == READ:
        # Origins are stored with three decimals.
        np.testing.assert_allclose(corner, CORNERS_PX.get(name, (0, 0, 0)), atol=1e-3)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_becomes_of_every_real_map_and_stack(shared_data: Path, tmp_path: Path) -> None:
    rows: list[list[str]] = []
    for name, expected in EXPECTED_MAPS.items():
        path = shared_data / name
        found = outcome(path)
        assert expected[0] in found
        if expected[0] == NOT_CUBIC:
            again = outcome(path, cubic=False)
            assert expected[1] in again
            found = f"{found} As a mask or piece: {again}"
        facts = describe(path)["facts"]
        rows.append([name, "map", _shape(facts), str(facts["mode"]), found])
    for name, (count, box, mode) in EXPECTED_STACKS.items():
        rows.append([name, "stack", *_stack_row(shared_data / name, count, box, mode)])
    warp = sorted((shared_data / WARP).rglob("*.mrcs"))
    assert len(warp) == 40
    told = {tuple(_stack_row(path, 37, 32, 12)) for path in warp}
    assert len(told) == 1
    rows.append([f"{WARP}/ ({len(warp)} stacks)", "stack", *told.pop()])

    files = [
        str(path.relative_to(shared_data))
        for folder in ("maps", "masks", "particles")
        for path in (shared_data / folder).rglob("*")
        if path.is_file() and path.suffix not in (".pdb", ".seg", ".star", ".cs")
    ]
    known = {*EXPECTED_MAPS, *EXPECTED_STACKS, *(str(p.relative_to(shared_data)) for p in warp)}
    assert set(files) == known
    table = write_outcome_table(
        "maps_and_stacks", ["file", "kind", "size (x, y, z)", "mode", "outcome"], rows, tmp_path
    )
    assert len(table.read_text().splitlines()) == len(rows) + 2


def _shape(facts: dict) -> str:
    return " x ".join(map(str, facts["size_xyz"]))


def _stack_row(path: Path, count: int, box: int, mode: int) -> list[str]:
    """Check a stack against mrcfile; tell size, mode and outcome."""
    stack = ImageStack(path)
    assert (len(stack), stack.box, stack.mode) == (count, (box, box), mode)
    with mrcfile.open(path, permissive=True) as handle:
        np.testing.assert_array_equal(stack.read(np.arange(count)), handle.data.astype(np.float32))
    return [f"{box} x {box} x {count}", str(mode), READ]
