"""What is recorded of where a result comes from, and what is said about it."""

import pytest

from locref_widgets.runs.provenance import slow_device_warning


@pytest.mark.parametrize(
    ("platform", "jaxlib", "warned"),
    [
        ("gpu", "0.10.2", True),
        ("gpu", "0.11.0", True),
        ("cuda", "0.11.0", True),
        ("gpu", "0.10.1", False),
        ("gpu", "0.11.1", False),
        ("gpu", None, False),
        ("cpu", "0.10.2", False),
    ],
)
def test_a_jaxlib_with_slow_scatter_add_is_told_on_a_gpu_only(platform, jaxlib, warned):
    versions = {"jax": "0.10.1"} | ({"jaxlib": jaxlib} if jaxlib else {})
    device = {"platform": platform, "kind": "NVIDIA H200", "count": 1}
    warning = slow_device_warning(device, versions)
    assert (warning is not None) == warned
    if warning:
        assert f"jaxlib {jaxlib}" in warning
        assert "0.11.1 or later" in warning
