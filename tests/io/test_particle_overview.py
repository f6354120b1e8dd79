"""What a particle table is shown as, against the readers that a refinement uses."""

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.particle_overview import read_overview
from locref_widgets.io.particles import read_particles
from locref_widgets.sample import sample_paths

NO_OPTICS = """
data_
loop_
_rlnImageName
_rlnAngleRot
_rlnAngleTilt
_rlnAnglePsi
_rlnOriginX
_rlnOriginY
1@a.mrcs 10 20 30 1.5 -2
2@a.mrcs 40 50 60 0 4
"""


def test_the_sample_is_what_a_refinement_reads():
    path = sample_paths()["particles"]
    overview, particles = read_overview(path), read_particles(path)
    assert overview.particle_block == "particles"
    assert [block.name for block in overview.blocks] == ["optics", "particles"]
    np.testing.assert_array_equal(overview.rotations, particles.rotations)
    np.testing.assert_array_equal(overview.origins_angstrom, particles.origins_angstrom)
    np.testing.assert_array_equal(overview.half_sets, particles.half_sets)
    u, v = particles.ctf.defocus_u_angstrom, particles.ctf.defocus_v_angstrom
    np.testing.assert_allclose(overview.defocus_micrometre, (u + v) / 2e4, rtol=1e-6)
    np.testing.assert_allclose(overview.astigmatism_angstrom, np.abs(u - v), atol=1e-2)
    assert set(overview.group) == {1}


def test_pages_are_the_rows_of_the_file_in_order(tmp_path):
    path = sample_paths()["particles"]
    block = read_overview(path).blocks[1]
    rows = [line.split() for line in path.read_text().splitlines() if "@" in line]
    assert block.rows == len(rows) == 800
    assert block.page(0, 3) == rows[:3]
    assert block.page(790, 25) == rows[790:]
    assert block.page(800, 25) == []
    assert [row for at in range(0, 800, 7) for row in block.page(at, 7)] == rows


def test_what_cannot_be_read_is_left_out(tmp_path):
    path = tmp_path / "bare.star"
    path.write_text(NO_OPTICS)
    overview = read_overview(path)
    assert overview.rotations is not None
    assert overview.rotations.shape == (2, 3, 3)
    # Origins in pixels of no known size are no lengths.
    assert overview.origins_angstrom is None
    assert overview.defocus_micrometre is None
    assert overview.half_sets is None


def test_other_star_files_are_tables_too(tmp_path):
    path = tmp_path / "job.star"
    path.write_text("data_job\n\n_rlnJobType Refine3D\n\ndata_files\nloop_\n_rlnName #1\na\nb\n")
    overview = read_overview(path)
    assert overview.particle_block is None
    assert [(block.name, block.rows) for block in overview.blocks] == [("job", 1), ("files", 2)]
    assert overview.blocks[1].page(0, 9) == [["a"], ["b"]]


def test_an_absent_or_broken_file_is_told(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_overview(tmp_path / "absent.star")
    broken = tmp_path / "broken.star"
    broken.write_text("data_a\nloop_\n_rlnName\n_rlnOther\n1 2\n3\n")
    with pytest.raises(InputError):
        read_overview(broken)


def test_particles_of_cryosparc(shared_data):
    overview = read_overview(shared_data / "cs" / "cryosparc_P12_J24_001_particles.cs")
    assert len(overview.rotations) == overview.blocks[0].rows == 2019
    page = overview.blocks[0].page(0, 2)
    assert len(page) == 2
    assert len(page[0]) == len(overview.blocks[0].columns)
    assert all(isinstance(cell, str) for cell in page[0])
    pose = page[0][overview.blocks[0].columns.index("alignments3D/pose")]
    assert pose.count(",") == 2
