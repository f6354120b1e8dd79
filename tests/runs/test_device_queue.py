"""Tickets for a device: fair, and passed over when their process is dead."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from locref_widgets.errors import OutputError
from locref_widgets.runs.device_queue import DeviceTicket, devices, queue_folder

CPU = {"JAX_PLATFORMS": "cpu"}


@pytest.fixture(autouse=True)
def own_queue(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LOCREF_QUEUE", str(tmp_path / "queue"))
    return tmp_path / "queue"


def draw(run: str, **environment: str) -> DeviceTicket:
    queue = os.environ["LOCREF_QUEUE"]
    return DeviceTicket.draw(Path(run), {"LOCREF_QUEUE": queue, **(environment or CPU)})


def test_the_first_to_come_is_the_first_to_go():
    first, second, third = (draw(name) for name in ("/a", "/b", "/c"))
    assert first.ahead() == []
    assert second.ahead() == [Path("/a")]
    assert third.ahead() == [Path("/a"), Path("/b")]
    first.release()
    assert (second.ahead(), third.ahead()) == ([], [Path("/b")])
    # Who comes back goes to the end.
    again = draw("/a")
    assert again.ahead() == [Path("/b"), Path("/c")]
    for ticket in (second, third, again):
        ticket.release()
    assert draw("/d").ahead() == []


def test_one_that_gives_up_is_not_waited_for():
    first, second, third = (draw(name) for name in ("/a", "/b", "/c"))
    second.release()
    assert third.ahead() == [Path("/a")]
    first.release()
    assert third.ahead() == []


def test_a_dead_process_is_passed_over_however_it_died(own_queue):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from locref_widgets.runs.device_queue import DeviceTicket\n"
        "DeviceTicket.draw(Path('/dead')); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, **CPU}).returncode == -9
    assert len(list(own_queue.glob("*.json"))) == 1
    ticket = draw("/alive")
    assert ticket.ahead() == []
    assert len(list(own_queue.glob("*.json"))) == 1


def test_a_ticket_lives_on_in_the_process_that_it_is_passed_down_to():
    """A kernel that draws it may go; the worker keeps its place."""
    first = draw("/worker")
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[first.descriptor]
    )
    first.drop()
    second = draw("/next")
    assert second.ahead() == [Path("/worker")]
    child.kill()
    child.communicate()
    assert second.ahead() == []


def test_only_those_who_may_meet_on_a_device_wait_for_each_other():
    """An unset CUDA_VISIBLE_DEVICES means all; a number and a long name may be the same device."""
    holder = draw("/zero", CUDA_VISIBLE_DEVICES="0,2")
    for waits, environment in (
        (True, {"CUDA_VISIBLE_DEVICES": "2"}),
        (True, {"CUDA_VISIBLE_DEVICES": "1, 0"}),
        (False, {"CUDA_VISIBLE_DEVICES": "1"}),
        (True, {"CUDA_VISIBLE_DEVICES": "GPU-5ebe9f43"}),
        (False, CPU),
        (False, {"CUDA_VISIBLE_DEVICES": ""}),
        (False, {"CUDA_VISIBLE_DEVICES": "0", "SLURM_JOB_ID": "12"}),
    ):
        ticket = draw("/other", **environment)
        assert (ticket.ahead() != []) == waits, environment
        ticket.release()
    holder.release()


def test_devices_are_named_without_starting_jax(monkeypatch):
    has_gpus = "locref_widgets.runs.device_queue._has_gpus"
    monkeypatch.setattr(has_gpus, lambda: True)
    assert devices({}) == ["/gpu:*"]
    assert devices({"JAX_PLATFORMS": "cpu"}) == ["/cpu"]
    assert devices({"CUDA_VISIBLE_DEVICES": "-1"}) == ["/cpu"]
    assert devices({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0"}) == ["7/gpu:0"]
    monkeypatch.setattr(has_gpus, lambda: False)
    assert devices({}) == ["/cpu"]


def test_a_folder_of_another_user_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr("locref_widgets.runs.device_queue.tempfile.tempdir", str(tmp_path))
    (tmp_path / f"locref_widgets-{os.getuid()}").symlink_to("/usr")
    with pytest.raises(OutputError, match=r"belongs to another user.*--no-queue"):
        queue_folder({})


def test_a_folder_that_cannot_be_used_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="LOCREF_QUEUE"):
        DeviceTicket.draw(Path("/a"), {"LOCREF_QUEUE": str(tmp_path / "file" / "queue")})


def test_where_the_folder_was_swept_away_nobody_is_waited_for(own_queue):
    first, second = draw("/a"), draw("/b")
    for path in own_queue.iterdir():
        path.unlink()
    own_queue.rmdir()
    assert second.ahead() == []
    second.release()
    first.release()
