"""The tests' JupyterLab has no failure of Jupyter's own that a page would report."""

from datetime import UTC, datetime

from jupyter_server.services.kernels.kernelmanager import ServerKernelManager

from tests.browser.started_kernels import StartedKernels


def test_a_kernel_that_is_starting_is_not_listed_yet():
    kernels = StartedKernels()
    for name in ("starting", "started"):
        kernels._kernels[name] = ServerKernelManager(kernel_name="python3")
    # What the server sets a moment after it knows the kernel.
    kernels._kernels["started"].last_activity = datetime.now(UTC)
    assert [one["id"] for one in kernels.list_kernels()] == ["started"]
