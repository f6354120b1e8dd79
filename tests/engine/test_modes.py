"""How the posterior is divided among modes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.search_plan import plan_search
from tests.engine.exactness import unlimited
from tests.engine.objects import compact_blobs
from tests.engine.simulated import Simulation, no_ctf, project_blobs, region_images_of, simulate

BOX, RADIUS = 32, 15
# Lists that hold everything: which modes they lose is not the question here.
PLAN = unlimited(plan_search(BOX, RADIUS, 9.0, 0.1, 14.0))
APART_PX = 10.0


@pytest.mark.parametrize("ahead", [0.0, 1.0, 3.0])
def test_a_double_exposure_has_two_modes_with_the_weights_of_their_posteriors(ahead, rng):
    """An image that shows the object twice, once fainter: what each says is known in float64."""
    truth = project_blobs(compact_blobs(rng, BOX, radius=0.1), BOX, RADIUS, padding=4)
    made = Simulation(plan=PLAN, truth=truth, snr=0.1, ctf=False)
    particles = simulate(rng, 1, made, turns=np.zeros((1, 3)), shifts=np.zeros((1, 2)))
    oracle, still = particles.oracles[0], np.zeros(3)
    shifts = np.array([[APART_PX / 2, 0.0], [-APART_PX / 2, 0.0]])
    first, second = (oracle.template(still, shift) for shift in shifts)
    weight = 2 / oracle.sigma2 * oracle.used
    gain = np.sum(weight * (np.abs(second) ** 2 - (np.conj(first) * second).real))
    oracle.image = first + (1 - ahead / gain) * second
    # The one's score lies ahead by what was taken from the other.
    scores = [oracle.log_posterior(still, shift) for shift in shifts]
    assert scores[0] - scores[1] == pytest.approx(ahead, abs=1e-6)
    ctf = jax.tree.map(jnp.asarray, no_ctf(1))
    particles.images = region_images_of(particles.oracles, ctf, PLAN)
    found = particles.search()
    if ahead:
        assert found.shift_px[0, 0] > 0
    # The climbs may miss 0.02 of either, and another blob's place lends a little to each.
    expected = 1 / (1 + np.exp(-ahead))
    assert float(found.probability[0]) == pytest.approx(expected, abs=0.03)
