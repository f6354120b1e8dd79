"""A refinement of cryoSPARC's particles: every field comes out again, in both formats."""

import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from cryosparc.dataset import Dataset

from locref_widgets.errors import InputError
from locref_widgets.io.convert import convert_particles
from locref_widgets.io.particles import read_particles
from locref_widgets.io.star import read_star, write_star
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.inputs import load_inputs
from locref_widgets.runs.run import Run, refine
from tests.io.cs_files import angle_between, save
from tests.runs.fake_job import Job, make_loop

SETTINGS = RefinementSettings(iterations=1, seed=3)


@pytest.fixture
def split_job(job_folder: Path, job: Job, tmp_path: Path) -> tuple[Path, Path]:
    """The small job as cryoSPARC would hold it: poses in one file, all else in another."""
    convert_particles(job_folder / "particles.star", tmp_path / "all.cs")
    rows = np.load(tmp_path / "all.cs")
    columns = {name: rows[name] for name in rows.dtype.names}
    columns["custom/score"] = np.arange(len(rows), dtype=np.float64)
    poses = {n: c for n, c in columns.items() if n == "uid" or n.startswith("alignments3D")}
    others = {n: c[::-1] for n, c in columns.items() if n not in poses or n == "uid"}
    (tmp_path / "all.cs").unlink()
    passthrough = save(tmp_path / "J7_passthrough_particles.cs", others)
    return save(tmp_path / "J7_002_particles.cs", poses), passthrough


def not_held(run: Run) -> list[str]:
    """Notes of what one of the two final tables cannot hold."""
    return [
        event["message"]
        for event in run.events()
        if event["kind"] == "note" and "does not hold" in event["message"]
    ]


def test_a_run_on_cs_particles(job: Job, split_job: tuple[Path, Path], run_path: Path) -> None:
    path, passthrough = split_job
    particles = read_particles(path)
    assert angle_between(particles.rotations, job.particles.rotations) < 1e-6
    run = refine(
        particles, job.volume, job.mask, SETTINGS, run_path, progress=False, refine_loop=make_loop()
    )
    assert run.status == "finished"
    final = Dataset.load(run_path / "final" / "particles.cs")
    assert particles.cs is not None
    for name, values in particles.cs.columns.items():
        if name not in ("alignments3D/pose", "alignments3D/shift", "blob/path"):
            got = np.asarray(final[name])
            wanted = np.strings.decode(values) if values.dtype.kind == "S" else values
            np.testing.assert_array_equal(got, wanted, err_msg=name)
    assert not np.array_equal(
        final["alignments3D/shift"], particles.cs.columns["alignments3D/shift"]
    )
    (message,) = not_held(run)
    assert message.startswith("final/particles.star does not hold: ")
    assert "custom/score" in message
    assert message.endswith(
        "final/particles.cs holds every column of the particles that were given."
    )
    # The STAR file says the same.
    both = [read_particles(run_path / "final" / f"particles.{end}") for end in ("cs", "star")]
    assert angle_between(both[0].rotations, both[1].rotations) < 1e-6
    np.testing.assert_allclose(*(p.origins_angstrom for p in both), atol=1e-4)
    np.testing.assert_array_equal(*(p.half_sets for p in both))
    # A process that knows only the record reads the same.
    record = json.loads((run_path / "run.json").read_text())["inputs"]
    assert [entry["path"] for entry in record["particles"]["companions"]] == [str(passthrough)]
    assert load_inputs(record).particles.same_table(particles)
    passthrough.write_bytes(passthrough.read_bytes()[:-8] + b"\1" * 8)
    with pytest.raises(InputError, match=r"J7_passthrough_particles.cs: was changed since"):
        load_inputs(record)


def test_the_cs_file_of_a_star_run(job: Job, run_path: Path) -> None:
    run = refine(*job.arguments, SETTINGS, run_path, progress=False, refine_loop=make_loop())
    assert not_held(run) == []
    both = [read_particles(run_path / "final" / f"particles.{end}") for end in ("cs", "star")]
    assert angle_between(both[0].rotations, both[1].rotations) < 1e-6
    np.testing.assert_allclose(*(p.origins_angstrom for p in both), atol=1e-4)
    assert "alignments3D/pose" in Dataset.load(run_path / "final" / "particles.cs")


def test_columns_and_micrographs_of_a_star_run(job_folder: Path, job: Job, run_path: Path) -> None:
    """Coordinates pass where the micrograph is there; what cryoSPARC has no field for is told."""
    star, micrograph = job_folder / "places.star", job_folder / "m.mrc"
    blocks = read_star(job_folder / "particles.star")
    (name,) = (key for key, table in blocks.items() if "rlnImageName" in table)
    table, n = blocks[name], len(blocks[name])
    table = table.with_column("rlnMicrographName", ["m.mrc"] * n)
    for axis in "XY":
        table = table.with_column(f"rlnCoordinate{axis}", np.arange(n) * 1.0)
    for column in ("rlnNormCorrection", "rlnHelicalTubeID"):
        table = table.with_column(column, np.ones(n))
    write_star(star, {**blocks, name: table})
    mrcfile.write(micrograph, np.zeros((400, 500), np.float32))
    run = refine(
        read_particles(star),
        job.volume,
        job.mask,
        SETTINGS,
        run_path,
        progress=False,
        refine_loop=make_loop(),
    )
    final = Dataset.load(run_path / "final" / "particles.cs")
    np.testing.assert_allclose(final["location/center_x_frac"], np.arange(n) / 500, atol=1e-7)
    (message,) = not_held(run)
    assert message == (
        "final/particles.cs does not hold: rlnNormCorrection, rlnHelicalTubeID (cryoSPARC has no "
        "field for it). final/particles.star holds every column of the particles that were given."
    )
    assert "rlnNormCorrection" in read_particles(run_path / "final" / "particles.star").table


def test_cs_particles_changed_in_memory_are_kept_with_the_run(
    job: Job, split_job: tuple[Path, Path], run_path: Path
) -> None:
    some = read_particles(split_job[0]).take(np.arange(30))
    refine(some, job.volume, job.mask, SETTINGS, run_path, progress=False, refine_loop=make_loop())
    record = json.loads((run_path / "run.json").read_text())["inputs"]
    kept = Path(record["particles"]["path"])
    assert (kept.name, record["particles"]["companions"]) == ("particles.cs", [])
    assert kept.is_relative_to(run_path)
    again = load_inputs(record).particles
    assert again.cs is not None
    assert again.cs.columns["uid"].tolist() == some.cs.columns["uid"].tolist()  # type: ignore[union-attr]
