"""Arrays of the host on the device: copies, of the engine's types, with nothing compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.on_device import on_device


@pytest.fixture
def compiled(monkeypatch):
    """Names of the programs that are compiled meanwhile."""
    names = []

    def note(event, _seconds, **told):
        if event.endswith("backend_compile_duration"):
            names.append(told.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(note)
    yield names
    jax.monitoring.unregister_event_duration_listener(note)


@pytest.mark.parametrize(
    ("given", "dtype", "made"),
    [
        (np.arange(7.0).reshape(7, 1), None, np.float32),
        (np.arange(11, dtype=np.int8), np.float32, np.float32),
        (np.arange(13) > 5, None, np.bool_),
        (2.5, np.float32, np.float32),
    ],
)
def test_values_are_kept_and_nothing_is_compiled(given, dtype, made, compiled):
    result = on_device(given, dtype)
    assert isinstance(result, jax.Array)
    assert result.dtype == made
    np.testing.assert_array_equal(np.asarray(result), given)
    assert not compiled


def test_what_is_seen_of_compilations_is_what_there_is(compiled):
    jax.block_until_ready(jnp.asarray(np.zeros((3, 17, 5), np.float32)) + 1)
    assert compiled


def test_writing_to_the_hosts_array_does_not_change_the_copy():
    # Aligned as JAX wants it of arrays that it takes as they are.
    room = np.zeros(64 + 1024 * 4, np.uint8)
    begin = -room.ctypes.data % 64
    given = room[begin : begin + 1024 * 4].view(np.float32)
    result = jax.block_until_ready(on_device(given))
    given[:] = 1
    np.testing.assert_array_equal(np.asarray(result), 0)


def test_an_array_of_the_device_is_handed_on():
    there = jnp.arange(5.0)
    assert on_device(there) is there
