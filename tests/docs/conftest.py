"""Files that the blocks of a page find in their folder, and a refinement that takes no time."""

import os
import shutil
from pathlib import Path

import gemmi
import numpy as np
import pytest

import locref_widgets as lw
from locref_widgets.io.convert import convert_particles
from locref_widgets.io.models import write_model
from locref_widgets.runs import job
from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.lock import WriterLock
from locref_widgets.simulation import simulate_hinge_dataset
from tests.runs.fake_job import make_loop
from tests.runs.test_sweep import FakeMeter

BOX_PX, PIXEL_ANGSTROM = 48, 5.4


@pytest.fixture(scope="session")
def example_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pages call particles.star, map.mrc, mask.mrc, half1.mrc and so on: a tiny data set."""
    folder = tmp_path_factory.mktemp("examples")
    made = simulate_hinge_dataset(
        folder / "data",
        n=40,
        box_px=BOX_PX,
        pixel_size_angstrom=PIXEL_ANGSTROM,
        hinge_deg=10.0,
        shift_px=1.0,
        snr=0.2,
        seed=3,
    )
    names = {
        "particles.mrcs": "particles.mrcs",
        "consensus.star": "particles.star",
        "consensus.mrc": "map.mrc",
        "consensus_half1.mrc": "half1.mrc",
        "consensus_half2.mrc": "half2.mrc",
        "mask.mrc": "mask.mrc",
    }
    for source, name in names.items():
        shutil.copyfile(made / source, folder / name)
    convert_particles(folder / "particles.star", folder / "particles.cs")
    _write_model_of(folder / "model.cif", folder / "mask.mrc")
    shutil.rmtree(made)
    return folder


def _write_model_of(path: Path, mask: Path) -> None:
    """Alpha carbons of a chain A where the mask is."""
    volume = lw.read_map(mask)
    z, y, x = np.nonzero(volume.data > 0.5)
    chain = gemmi.Chain("A")
    for number, place in enumerate(
        np.column_stack([x, y, z])[::20] * volume.voxel_size_angstrom, 1
    ):
        atom = gemmi.Atom()
        atom.name, atom.element, atom.pos = "CA", gemmi.Element("C"), gemmi.Position(*place)
        residue = gemmi.Residue()
        residue.name, residue.seqid = "ALA", gemmi.SeqId(str(number))
        residue.add_atom(atom)
        chain.add_residue(residue)
    model, structure = gemmi.Model(1), gemmi.Structure()
    model.add_chain(chain)
    structure.add_model(model)
    structure.setup_entities()
    write_model(path, structure)


@pytest.fixture
def example_folder(example_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of a page, in which it may write what it likes."""
    folder = tmp_path / "page"
    shutil.copytree(example_files, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def quick_refinement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs do all that runs do, but the refinement itself, and stay in this process."""
    monkeypatch.setattr(job, "_real_loop", make_loop)
    monkeypatch.setattr("locref_widgets.runs.process_setup.prepare_process", lambda: None)
    monkeypatch.setattr("locref_widgets.figures.report.write_report", _empty_report)
    monkeypatch.setattr("locref_widgets.runs.sweep_job._shared_loop", make_loop)
    monkeypatch.setattr("locref_widgets.runs.sweep_job.meter_of", FakeMeter)

    def refine_here(
        folder: RunFolder, lock: WriterLock, ticket: DeviceTicket | None = None, **_: object
    ) -> int:
        from locref_widgets.runs.inputs import load_inputs

        inputs = load_inputs(folder.read_record()["inputs"])
        try:
            job.run_job(folder, inputs, folder.settings, ticket=ticket)
        finally:
            if ticket is not None:
                ticket.release()
            lock.release()
        return os.getpid()

    monkeypatch.setattr("locref_widgets.runs.run.spawn_worker", refine_here)


def _empty_report(folder: Path) -> Path:
    path = Path(folder) / "final" / "report.html"
    path.parent.mkdir(exist_ok=True)
    path.write_text("<html></html>")
    return path
