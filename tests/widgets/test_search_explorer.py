"""The search explorer: what it shows is what the trace says, and the steps go where they should."""

import re

import numpy as np
import pytest

from locref_widgets.engine.search_trace import CROWDED_OUT, DROPPED, KEPT
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import read_map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.one_particle import ParticleSearches
from locref_widgets.refinement.pose_search import pose_search
from locref_widgets.refinement.problem import RefinementInput
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.sample import sample_paths
from locref_widgets.widgets import search_explorer
from locref_widgets.widgets.search_explorer import SearchExplorer

pytestmark = pytest.mark.usefixtures("wire")


@pytest.fixture(scope="module")
def searches():
    sample = sample_paths()
    inputs = RefinementInput(
        read_particles(sample["particles"]), read_map(sample["map"]), read_map(sample["mask"])
    )
    settings = RefinementSettings(
        fulcrum_angstrom=sample["fulcrum_angstrom"],
        rotation_extent=0.2,
        shift_extent=4.0,
        initial_lowpass=15.0,
        subset=48,
    )
    return ParticleSearches(pose_search(inputs, settings))


@pytest.fixture
def explorer(searches):
    return SearchExplorer(searches, truth=read_particles(sample_paths()["truth"]))


def test_counts_shown_are_those_of_the_trace(explorer):
    trace = explorer.search.trace
    head, table, tree, level, pictures, optimum = (part.value for part in explorer._words)
    first = trace.levels[0]
    cells = [first.scored, *(first.count(fate) for fate in (DROPPED, CROWDED_OUT, KEPT))]
    row = re.search(r'aria-current="step">(.*?)</tr>', table)
    assert row
    shown = re.findall(r"<td>([\d,]+)</td>", row[1])
    assert [int(text.replace(",", "")) for text in shown[:4]] == cells
    assert "Not certified" in head
    assert trace.reason()[:60] in head
    # A box for each entry of each list, at every level.
    entries = sum(sum(one.scores.shape) for one in trace.levels)
    assert tree.count("<g><title>") == entries
    assert level.count("locref-truth") == 2
    assert pictures.count("data:image/png") == 3
    assert optimum == ""


def test_steps_by_slider_and_buttons(explorer):
    assert explorer._back.disabled
    explorer._on.click()
    assert explorer.step == 1
    assert explorer._slider.value == 2
    explorer.step = 99
    assert explorer.step == len(explorer.search.trace.levels)
    assert explorer._on.disabled
    assert explorer._words[5].value.count("<svg") == 2
    explorer.step = 0
    assert explorer._back.disabled


def test_the_likelihood_is_highest_at_the_optimum(searches):
    search = searches.search(0)
    for axes in ((0, 1), (2, 3), (3, 4)):
        surface = search.surface(axes, steps=9)
        # The polish ends where a step promises less than 0.02, or 2e-4 of what is explained.
        assert surface.values.max() < 0.1
        assert abs(surface.values[4, 4]) < 1e-2
        assert surface.values[0, 0] < -2


def test_a_made_up_image_is_found_where_it_was_put(searches):
    search = searches.search(0)
    pose = search.trace.pose
    made_up = searches.made_up(search, pose, noise=1 / 16)
    trace = made_up.trace
    errors = np.sqrt(np.diag(trace.outcome.covariance))
    assert np.all(np.abs(trace.pose - pose) < 5 * errors)
    assert made_up.trace.levels[0].count(DROPPED) > search.trace.levels[0].count(DROPPED)
    # The image less its projection there is its noise.
    shown = made_up.images_at(pose, search.radius_px)
    assert np.std(shown.difference) < 0.2 * np.std(shown.image)


def test_particles_are_chosen_by_row_and_others_refused_in_words(explorer, searches):
    rows = searches.posed.problem.rows.tolist()
    explorer.particle = rows[3]
    assert f"Particle {rows[3]}," in explorer._words[0].value
    absent = next(row for row in range(rows[0], 800) if row not in rows)
    explorer._row.value = absent
    assert "takes no part" in explorer._error.value
    explorer.next_uncertified()
    assert explorer.particle == rows[4]
    assert explorer._largest.disabled
    with pytest.raises(InputError, match="takes no part"):
        SearchExplorer(searches, particle=absent)


def test_without_a_kernel_there_is_a_page_part(explorer):
    bundle = explorer._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/html"].count("<svg") >= 4
    assert "<table>" in data["text/html"]


def test_few_searches_are_kept_and_few_made_at_a_time(explorer, monkeypatch):
    made = []
    searches = explorer._searches
    real = searches.search(0)

    def search(position):
        made.append(position)
        return real

    monkeypatch.setattr(searches, "search", search)
    monkeypatch.setattr(type(real.trace), "certified", True)
    monkeypatch.setattr(search_explorer, "_MOST_SEARCHED", 5)
    monkeypatch.setattr(search_explorer, "_MOST_KEPT", 3)
    explorer.next_uncertified()
    assert made == [1, 2, 3, 4, 5]
    assert explorer.particle == searches.posed.problem.rows[5]
    assert "Press again" in explorer._error.value
    assert len(explorer._cache) <= 3


def test_an_error_of_a_control_is_said(explorer, monkeypatch):
    monkeypatch.setattr(search_explorer, "verdict_html", lambda *given: 1 / 0)
    explorer._lists.value = "long"
    assert "division by zero" in explorer._error.value
