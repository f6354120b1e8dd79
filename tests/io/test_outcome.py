"""Every metadata file of the shared data: read as an independent reader reads it, or refused so.

The outcome of each is listed here; nothing may end otherwise. The test writes the same as a table
(`tests.io.outcome_table`).
"""

from pathlib import Path

import numpy as np
import starfile
from cryosparc.dataset import Dataset

from locref_widgets.errors import InputError
from locref_widgets.io.convert import convert_particles
from locref_widgets.io.cs_format import read_cs_columns
from locref_widgets.io.particles import read_particles
from locref_widgets.io.star import read_star
from tests.io.outcome_table import write_outcome_table

READ = "read"
STACK = "names the stack"
NO_POSES = "the particles have no poses"
ONE_HALF = "all 5 particles are in half-set 1"
TOMOGRAPHY = "holds sub-tomograms"
NO_PARTICLES = "holds no particles"

# What comes of each as particles of a refinement, and of its conversion: read, or why not.
OUTCOME = {
    "cs/4k_dataset.cs": (NO_PARTICLES, NO_PARTICLES),
    "cs/cryosparc_J2_particles_exported.cs": (NO_POSES, READ),
    "cs/cryosparc_P12_J24_001_particles.cs": (STACK, READ),
    "particles/empiar10059_trpv1_10/trpv1_small_stack.star": (STACK, READ),
    "particles/empiar10059_trpv1_10/trpv1_small_stack_resolved.star": (READ, READ),
    "particles/empiar10076_7/empiar_10076_7.cs": (NO_POSES, READ),
    "particles/empiar10076_7/empiar_10076_7.star": (NO_POSES, READ),
    "particles/relion31_microtubule_5/relion31.6opticsgroups.star": (STACK, READ),
    "particles/relion31_microtubule_5/relion31.star": (ONE_HALF, READ),
    "particles/relion31_microtubule_5/relion31.v2.star": (ONE_HALF, READ),
    "particles/warptools_ribosome_40/{0}.star": (TOMOGRAPHY, TOMOGRAPHY),
    "particles/warptools_ribosome_40/{0}_optimisation_set.star": (TOMOGRAPHY, TOMOGRAPHY),
    "particles/warptools_ribosome_40/{0}_tomograms.star": (TOMOGRAPHY, TOMOGRAPHY),
    "star/cryocat_relion_3.1_optics.star": (TOMOGRAPHY, TOMOGRAPHY),
    "star/cryocat_relion_4.0.star": (TOMOGRAPHY, TOMOGRAPHY),
    "star/cryodrgn_relion5.star": (STACK, READ),
    "star/cryodrgn_toy_projections.star": (STACK, READ),
    "star/cylindra_relion5_run_it025_data.star": (TOMOGRAPHY, TOMOGRAPHY),
    "star/iospi_test.star": (STACK, READ),
    "star/isecc_fullexpandsubparticle.star": (STACK, READ),
    "star/isecc_test_magmat_zernike.star": (STACK, READ),
    "star/relion31_emtools_refine3d/run_it016_data.star": (STACK, READ),
    "star/relion31_emtools_refine3d/run_it016_half1_model.star": (NO_PARTICLES, NO_PARTICLES),
    "star/relion31_emtools_refine3d/run_it016_half2_model.star": (NO_PARTICLES, NO_PARTICLES),
    "star/relion31_emtools_refine3d/run_it016_optimiser.star": (NO_PARTICLES, NO_PARTICLES),
    "star/relion_particles_simplecryoem.star": (STACK, READ),
    "star/scipion_relion31_nonumbers.star": (STACK, READ),
    "star/teamtomo_starfile/basic_double_quote.star": (NO_PARTICLES, NO_PARTICLES),
    "star/teamtomo_starfile/basic_single_quote.star": (NO_PARTICLES, NO_PARTICLES),
    "star/teamtomo_starfile/default_pipeline.star": (NO_PARTICLES, NO_PARTICLES),
    "star/teamtomo_starfile/empty_loop.star": (NO_PARTICLES, NO_PARTICLES),
    "star/teamtomo_starfile/loop_double_quote.star": (NO_PARTICLES, NO_PARTICLES),
    "star/teamtomo_starfile/loop_single_quote.star": (NO_PARTICLES, NO_PARTICLES),
    "star/teamtomo_starfile/one_loop.star": (TOMOGRAPHY, TOMOGRAPHY),
    "star/teamtomo_starfile/one_loop_full_history.star": (TOMOGRAPHY, TOMOGRAPHY),
    "star/teamtomo_starfile/postprocess.star": (NO_PARTICLES, NO_PARTICLES),
    "star/teamtomo_starfile/relion_tutorial/run_it025_optimiser_3D.star": (NO_PARTICLES,) * 2,
    "star/teamtomo_starfile/relion_tutorial/run_it025_sampling_3D.star": (NO_PARTICLES,) * 2,
    "star/teamtomo_starfile/rln3.1_data_style.star": (STACK, READ),
    "star/teamtomo_starfile/single_line_end_of_multiblock.star": (STACK, READ),
    "star/teamtomo_starfile/single_line_middle_of_multiblock.star": (STACK, READ),
    "star/teamtomo_starfile/two_basic_blocks.star": (NO_PARTICLES, NO_PARTICLES),
    "star/teamtomo_starfile/two_single_line_loop_blocks.star": (NO_PARTICLES, NO_PARTICLES),
}
WARP = "warptools_test_4-tomos_10-ptcls_box-32_angpix-12"


def test_every_file_ends_as_listed(shared_data: Path, tmp_path: Path) -> None:
    expected = {name.format(WARP): outcome for name, outcome in OUTCOME.items()}
    files = [
        path.relative_to(shared_data).as_posix()
        for folder in ("star", "cs", "particles")
        for path in sorted((shared_data / folder).rglob("*"))
        if path.suffix in (".star", ".cs")
    ]
    assert set(files) == set(expected)
    rows = []
    for name in files:
        path = shared_data / name
        table = compare_cs(path) if path.suffix == ".cs" else compare_star(path)
        target = tmp_path / f"out{'.star' if path.suffix == '.cs' else '.cs'}"
        said = [attempt(read_particles, path), attempt(convert_particles, path, target)]
        for got, wanted in zip(said, expected[name], strict=True):
            assert got.startswith(READ) if wanted == READ else wanted in got, f"{name}: {got}"
        rows.append([name, table, *(text.replace(f"{shared_data}/", "") for text in said)])
    header = ("file", "table", "for a refinement", "converted")
    assert write_outcome_table("tables", header, rows, tmp_path).is_file()


def attempt(function, *arguments: Path) -> str:
    """What came of a call, in words."""
    try:
        result = function(*arguments)
    except InputError as error:
        return f"refused: {error}"
    if function is read_particles:
        return f"read: {len(result)} particles"
    return f"read: {len(result.not_carried)} columns not carried"


def compare_star(path: Path) -> str:
    """Every value of every block is what starfile reads."""
    ours = read_star(path)
    theirs = starfile.read(path, always_dict=True, parse_as_string=[])
    assert list(ours) == [str(name) for name in theirs], path
    values = 0
    for name, block in theirs.items():
        columns = block.items() if isinstance(block, dict) else block.to_dict("list").items()
        columns = {str(k): v if isinstance(v, list) else [v] for k, v in columns}
        assert list(columns) == list(ours[name].columns), f"{path}: {name}"
        for label, wanted in columns.items():
            table = ours[name]
            values += len(table)
            assert len(table) == len(wanted), f"{path}: {name}: {label}"
            if all(isinstance(value, str) for value in wanted):
                assert table.strings(label) == wanted, f"{path}: {name}: {label}"
                continue
            # pandas reads an empty text as no number, and rounds the last digit of some.
            tokens = table.columns[label].tolist()
            numbers = np.array([token.strip("\"'") or "nan" for token in tokens], np.float64)
            np.testing.assert_allclose(
                numbers, np.array(wanted, np.float64), rtol=1e-14, err_msg=f"{path}: {label}"
            )
    return f"{values} values, the same as by starfile"


def compare_cs(path: Path) -> str:
    """Every value of every field is what cryosparc-tools reads."""
    ours, theirs = read_cs_columns(path), Dataset.load(path)
    assert set(ours) == set(theirs.fields())
    values = 0
    for name, got in ours.items():
        wanted = np.asarray(theirs[name])
        texts = got.dtype.kind == "S"
        np.testing.assert_array_equal(np.strings.decode(got) if texts else got, wanted)
        values += got.size
    return f"{values} values, the same as by cryosparc-tools"
