"""Sweeps: what is tried, in which order, stopping and going on, and what is refused."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from locref_widgets.cli.sweep_job import describe_sweep, sweep_values
from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, write_map
from locref_widgets.refinement.agreement import Agreement
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import StopRequested
from locref_widgets.runs.events import EventLog
from locref_widgets.runs.lock import is_held
from locref_widgets.runs.provenance import describe_stacks
from locref_widgets.runs.sweep import (
    go_on_with_sweep,
    open_sweep,
    plan_sweep,
    start_sweep,
    sweep,
)
from locref_widgets.runs.sweep_grid import expand_grid, read_grid
from locref_widgets.runs.sweep_record import begin_sweep, load_plan
from tests.runs.fake_job import make_loop, soft_ball

GRID = {"rotation_extent": [0.1, 0.2], "shift_extent": [4.0, 8.0]}
N = 40


class FakeMeter:
    """Agrees the better, the wider the rotation's extent; shifts make no difference."""

    def __init__(self, plan, report):
        self.rows = np.arange(N)
        self.problem = SimpleNamespace(
            half_sets=1 + np.arange(N) % 2,
            particle=np.arange(N),
            region_box_px=20,
            pixel_size_angstrom=6.0,
        )
        self.extents = iter([c.settings.rotation_extent for c in plan.candidates])
        self.random = np.random.default_rng(0)
        self.shared = self.random.normal(size=N)

    def curve(self, rotations, origins_angstrom):
        frequency = np.arange(11) / 120
        return FSCCurve(frequency, np.exp(-((frequency * 20) ** 2)))

    def band(self, lowpasses, curves):
        return 3, 7

    def measure(self, rotations, origins_angstrom, band):
        extent = next(self.extents)
        noise = 1e-3 * self.shared + 1e-4 * self.random.normal(size=N)
        return Agreement(0.3 + extent, noise)


def run(job, out, grid=GRID, **options):
    options = {"subset": None, "iterations": 1, "progress": False} | options
    options = {"refine_loop": make_loop(), "make_meter": FakeMeter} | options
    return sweep(*job.arguments, RefinementSettings(), grid, out, **options)


@pytest.fixture(scope="module")
def finished(job_folder, tmp_path_factory):
    from tests.runs.fake_job import read_job

    return run(read_job(job_folder), tmp_path_factory.mktemp("sweeps") / "sweep")


def test_every_combination_is_a_run_that_can_be_opened(finished):
    runs = finished.runs()
    assert list(runs) == [1, 2, 3, 4]
    told = [(r.settings.rotation_extent, r.settings.shift_extent) for r in runs.values()]
    assert told == [(0.1, 4.0), (0.1, 8.0), (0.2, 4.0), (0.2, 8.0)]
    assert all(r.iterations() == [0, 1] for r in runs.values())


def test_the_verdict_says_which_setting_and_how_sure(finished):
    verdict = finished.verdict
    assert finished.status == "finished"
    assert finished.chosen.rotation_extent == 0.2
    assert set(verdict["tied"]) == {3, 4}
    assert sum(row["share_best"] for row in verdict["settings"]) == pytest.approx(1.0)
    assert "rotation_extent 0.2" in verdict["sentence"]
    assert "largest of those tried" in " ".join(verdict["notes"])
    for name in ("verdict.html", "verdict.md", "table.csv"):
        assert "rotation_extent" in (finished.path / name).read_text()
    lines = (finished.path / "table.csv").read_text().splitlines()
    assert len(lines) == 5


def test_a_finished_sweep_is_not_done_again(finished, job_folder):
    from tests.runs.fake_job import read_job

    before = (finished.path / "events.jsonl").read_bytes()
    again = run(read_job(job_folder), finished.path)
    assert again.verdict == finished.verdict
    assert (finished.path / "events.jsonl").read_bytes() == before


def test_another_grid_in_the_same_folder_is_refused(finished, job_folder):
    from tests.runs.fake_job import read_job

    with pytest.raises(InputError, match=r"grid: .* then, .* now.*another folder"):
        run(read_job(job_folder), finished.path, {"rotation_extent": [0.1, 0.3]})


def test_a_stopped_sweep_goes_on_where_it_was(job, tmp_path, monkeypatch):
    out = tmp_path / "sweep"
    append = EventLog.append

    def stop_after_the_first(self, kind, **values):
        if kind == "setting_finished":
            (out / "control" / "stop").touch()
        return append(self, kind, **values)

    with monkeypatch.context() as patched:
        patched.setattr("locref_widgets.runs.viewer_requests._POLL_EVERY_SECONDS", 0.0)
        patched.setattr(EventLog, "append", stop_after_the_first)
        stopped = run(job, out)
    assert stopped.status == "stopped"
    assert stopped.verdict is None
    assert not is_held(out)
    finished = run(job, out)
    assert finished.status == "finished"
    started = [e["number"] for e in finished.events() if e["kind"] == "setting_started"]
    assert started == [1, 2, 3, 4]


def test_a_sweep_in_a_process_of_its_own_is_tried_and_judged(hinged_job, tmp_path):
    """The real thing, small: a prior that holds the poses where they were, and none.

    Priors are values at run time: both settings are searched by the same compiled program, which
    is that of `tests.runs.test_dask_executor` (same region, extents and chunks).
    """
    particles, volume, mask, fulcrum = hinged_job
    settings = RefinementSettings(
        fulcrum_angstrom=fulcrum,
        initial_lowpass=20.0,
        rotation_extent=0.26,
        shift_extent=2.0,
        folds=2,
        batch_size=4,
    )
    found = start_sweep(
        *(particles, volume, mask, settings, {"prior_rotation": [0.05, None]}),
        tmp_path / "sweep",
        subset=300,
        seed=3,
        iterations=1,
    )
    # It takes half a minute where nothing else computes.
    assert found.wait(900) == "finished", found.message
    assert found.chosen.prior_rotation is None
    assert found.chosen.subset is None
    assert found.verdict["sureness"] in ("clear", "likely"), found.verdict["sentence"]
    rows = {name: run.iteration(1).indices for name, run in found.runs().items()}
    np.testing.assert_array_equal(rows[1], rows[2])
    assert len(rows[1]) == 300
    # Asked to go on it has nothing to do, and the verdict is the one told before.
    verdict, events = found.verdict, (found.path / "events.jsonl").read_bytes()
    written = (found.path / "verdict.html").stat().st_mtime_ns
    assert go_on_with_sweep(found.path).verdict == verdict
    assert open_sweep(found.path).status == "finished"
    assert (found.path / "events.jsonl").read_bytes() == events
    assert (found.path / "verdict.html").stat().st_mtime_ns == written


@pytest.fixture
def hinged_job(hinged_blob_set):
    from locref_widgets.io.particles import read_particles
    from tests.refinement.following import soft_ball as ball

    s, a = hinged_blob_set, hinged_blob_set.pixel_size_angstrom
    volume = s.blobs.volume(s.box_px, a) + s.hinge.body.volume(s.box_px, a)
    mask = ball(s.box_px, a, s.hinge.body.centres_angstrom.mean(axis=0))
    fulcrum = tuple(float(x) for x in s.hinge.fulcrum_angstrom)
    return read_particles(s.star), Map(volume.astype(np.float32), a), Map(mask, a), fulcrum


def test_masks_are_tried_and_compared_inside_what_all_of_them_have(job, tmp_path):
    paths = [tmp_path / "a.mrc", tmp_path / "b.mrc"]
    for path, radius in zip(paths, (5.0, 6.0), strict=True):
        write_map(path, soft_ball(24, (2, -1, 3), radius, 4.0), 6.0)
    done = run(job, tmp_path / "sweep", {"mask": paths})
    assert [row["values"]["mask"] for row in done.folder.read_record()["candidates"]] == [
        "a.mrc",
        "b.mrc",
    ]
    own = [r.folder.read_record()["inputs"]["mask"]["path"] for r in done.runs().values()]
    assert own == [str(path) for path in paths]


def two_masks(folder, *radii, centres=((2, -1, 3),) * 2):
    folder.mkdir(exist_ok=True)
    paths = [folder / "a.mrc", folder / "b.mrc"]
    for path, radius, centre in zip(paths, radii, centres, strict=True):
        write_map(path, soft_ball(24, centre, radius, 4.0), 6.0)
    return paths


def test_masks_of_the_same_name_but_other_content_are_refused(job, tmp_path):
    done = run(job, tmp_path / "sweep", {"mask": two_masks(tmp_path, 5.0, 6.0)})
    before = done.events()
    assert run(job, done.path, {"mask": two_masks(tmp_path / "copied", 5.0, 6.0)}).status
    two_masks(tmp_path, 5.0, 6.5)
    with pytest.raises(
        InputError, match=r"mask 2 of the grid: .*b\.mrc then, .*of another content"
    ):
        run(job, done.path, {"mask": [tmp_path / "a.mrc", tmp_path / "b.mrc"]})
    assert done.events() == before


def test_another_mask_of_the_comparison_is_refused(finished, job):
    with pytest.raises(InputError, match=r"mask of the comparison: .*of another content now"):
        run(job, finished.path, evaluation_mask=Map(soft_ball(24, (2, -1, 3), 4.0, 4.0), 6.0))


def test_a_sweep_goes_on_with_no_run_of_other_settings(job, tmp_path):
    out = tmp_path / "sweep"
    loop = make_loop()

    def stop_in_the_first(inputs, settings, observer, resume=None):
        class Stopping:
            def __getattr__(self, name):
                return getattr(observer, name)

            def iteration_finished(self, result):
                observer.iteration_finished(result)
                (out / "control" / "stop").touch()
                raise StopRequested

        return loop(inputs, settings, Stopping(), resume)

    assert run(job, out, refine_loop=stop_in_the_first).status == "stopped"
    record = json.loads((out / "runs/01/run.json").read_text())
    record["settings"]["shift_extent"] = 5.0
    (out / "runs/01/run.json").write_text(json.dumps(record))
    done = run(job, out)
    failed = [e for e in done.events() if e["kind"] == "setting_failed"]
    assert [e["number"] for e in failed] == [1]
    assert "shift_extent: 5.0 then, 4.0 now" in failed[0]["message"]
    assert done.verdict["failed"] == [1]


def test_a_setting_whose_end_was_not_told_is_counted_and_told_later(job, tmp_path, monkeypatch):
    out = tmp_path / "sweep"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("locref_widgets.runs.sweep_job._add_seconds", killed)
        with pytest.raises(KeyboardInterrupt):
            run(job, out)
    found = open_sweep(out)
    assert found.count_tried() == 1
    assert sweep_values(found)["done"] == 1
    assert "1 of 4 settings tried" in describe_sweep(found)
    told = [e["number"] for e in run(job, out).events() if e["kind"] == "setting_finished"]
    assert told == [1, 2, 3, 4]


def test_warnings_are_told_once_and_by_the_combination_that_they_are_of(job, tmp_path, capsys):
    # Counted from the corner in voxels; from the centre in Å it would have been that.
    grid = {"fulcrum": ["mask", (0.0, 0.0, 0.0)]}
    settings = RefinementSettings(initial_lowpass=11.0, iterations=7, subset=5)
    options = {"subset": "usual", "iterations": 1, "refine_loop": make_loop()}
    done = sweep(
        *job.arguments, settings, grid, tmp_path / "sweep", make_meter=FakeMeter, **options
    )
    events = done.events()
    kinds = [e["kind"] for e in events]
    told = [e["message"] for e in events if e["kind"] == "warning"]
    first = kinds.index("sweep_started") + 1
    assert kinds[first : first + len(told)] == ["warning"] * len(told)
    assert len(set(told)) == len(told)
    (far,) = [w for w in told if "fulcrum" in w]
    assert far.startswith("fulcrum (0, 0, 0): ")
    assert "in voxels from the corner, not in Å" in far
    assert sum(w.startswith("initial_lowpass is 11 Å, finer") for w in told) == 1
    assert sum("settings say iterations 7" in w for w in told) == 1
    assert sum("settings say subset 5" in w for w in told) == 1
    printed = capsys.readouterr().err
    assert all(f"warning: {w}" in printed for w in told)
    # The process that goes on from the record finds the same.
    assert list(load_plan(done.folder).warnings) == told


def test_a_set_smaller_than_the_usual_subset_is_taken_whole(job, tmp_path):
    plan = plan_sweep(*job.arguments, RefinementSettings(seed=9), GRID)
    assert {(c.settings.subset, c.settings.seed) for c in plan.candidates} == {(N, 9)}


@pytest.mark.parametrize(("name", "value"), [("subset", -1), ("seed", -3)])
def test_a_subset_or_seed_that_cannot_be_is_not_blamed_on_the_grid(name, value, job):
    with pytest.raises(InputError, match=f"^{name}") as caught:
        plan_sweep(*job.arguments, RefinementSettings(), GRID, **{name: value})
    assert "grid" not in str(caught.value)


def test_a_grid_of_masks_needs_no_other_mask(job, tmp_path):
    particles, volume, other = job.arguments
    grid = {"mask": two_masks(tmp_path, 5.0, 6.0)}
    plan = plan_sweep(particles, volume, None, None, grid)
    assert plan.inputs.mask is plan.masks[0]
    smaller = replace(other, data=np.square(other.data))
    assert "is not tried" in " ".join(plan_sweep(particles, volume, smaller, None, grid).warnings)
    with pytest.raises(InputError, match=r"the mask is missing.*--mask"):
        plan_sweep(particles, volume, None, None, GRID)


def test_masks_without_a_voxel_in_common_need_one_to_compare_in(job, tmp_path):
    grid = {"mask": two_masks(tmp_path, 2.0, 2.0, centres=((-6, 0, 0), (6, 0, 0)))}
    with pytest.raises(InputError, match=r"no voxel in common.*--evaluation-mask"):
        plan_sweep(*job.arguments, None, grid)
    plan_sweep(*job.arguments, None, grid, evaluation_mask=job.mask)


def test_inputs_are_described_once_whatever_the_number_of_masks(job, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(
        "locref_widgets.runs.inputs.describe_stacks",
        lambda paths: told.append(paths) or describe_stacks(paths),
    )
    plan = plan_sweep(*job.arguments, None, {"mask": two_masks(tmp_path, 5.0, 6.0)})
    folder, lock = begin_sweep(tmp_path / "sweep", plan, None)
    lock.release()
    assert len(told) == 1
    assert [m["sha256"] for m in folder.read_record()["masks"]] != []


WRONG = {
    "an empty grid": ({}, "grid is empty"),
    "a name that is none": ({"rotation_extend": [0.1]}, "did you mean rotation_extent"),
    "what all settings share": ({"subset": [10, 20]}, "the same for all settings"),
    "a value that is no list": ({"shift_extent": 4.0}, "expected a list of the values"),
    "a value twice": ({"shift_extent": [4.0, 4.0]}, "holds a value twice"),
    "a value that cannot be": ({"rotation_extent": [0.1, -1.0]}, r"combination 2: .*must be > 0"),
    "more than anyone waits for": (
        {"rotation_extent": [0.01 * k for k in range(1, 66)]},
        "65 combinations",
    ),
    "a filter that leaves nothing": (
        {"initial_lowpass": [12.0, 200.0]},
        "combination initial_lowpass 200: .*coarser than a third of the box",
    ),
    "a fulcrum outside the box": ({"fulcrum": ["box", (99.0, 9.0, 9.0)]}, r"combination fulcrum"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_grid_is_told_in_one_sentence_and_nothing_is_written(case, job, tmp_path):
    grid, words = WRONG[case]
    with pytest.raises(InputError, match=words):
        run(job, tmp_path / "sweep", grid)
    assert not (tmp_path / "sweep").exists()


def test_a_subset_larger_than_the_set_is_refused(job, tmp_path):
    with pytest.raises(InputError, match=r"subset is 41, but there are 40 particles. Give at most"):
        run(job, tmp_path / "sweep", subset=41)


def test_a_folder_with_something_else_in_it_is_left_alone(job, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no sweep"):
        run(job, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_grid_file_holds_points_and_masks_beside_it(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text("fulcrum: [mask, [1, 2, 3], '4,5,6']\nmask: [a.mrc]\n")
    grid = read_grid(path)
    assert grid["fulcrum"] == ["mask", (1, 2, 3), (4.0, 5.0, 6.0)]
    assert grid["mask"] == [tmp_path / "a.mrc"]
    path.write_text("rotation_extent: 0.2\n")
    with pytest.raises(InputError, match="expected a list"):
        read_grid(path)


def test_a_fulcrum_in_the_grid_replaces_the_one_in_the_other_unit():
    settings = RefinementSettings(fulcrum_angstrom=(1.0, 2.0, 3.0))
    tried = expand_grid(settings, {"fulcrum": ["mask", (9.0, 9.0, 9.0)]}, 10, 0)
    assert [c.settings.fulcrum for c in tried] == ["mask", (9.0, 9.0, 9.0)]
    assert all(c.settings.fulcrum_angstrom is None for c in tried)
    assert json.dumps([c.values for c in tried])
    assert replace(tried[0], number=5).words == "fulcrum mask"
