import json
import os
import subprocess
import sys

import pytest

from locref_widgets.errors import InputError
from locref_widgets.runs.lock import WriterLock, is_held, read_owner
from locref_widgets.runs.processes import identify, is_alive


def test_a_second_writer_is_refused_and_let_in_after_release(tmp_path):
    lock = WriterLock.acquire(tmp_path)
    assert is_held(tmp_path)
    with pytest.raises(InputError, match=f"process {os.getpid()} on"):
        WriterLock.acquire(tmp_path)
    lock.release()
    assert not is_held(tmp_path)
    WriterLock.acquire(tmp_path).release()


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from locref_widgets.runs.lock import WriterLock\n"
        "WriterLock.acquire(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert killed.returncode == -9
    owner = read_owner(tmp_path)
    assert owner is not None
    assert owner["pid"] != os.getpid()
    assert not is_held(tmp_path)
    lock = WriterLock.acquire(tmp_path)
    assert read_owner(tmp_path) == identify()
    lock.release()


def test_a_number_used_again_is_another_process(tmp_path):
    owner = identify() | {"start_time": "12345"}
    assert is_alive(identify()) is True
    assert is_alive(owner) is False
    (tmp_path / "lock.json").write_text(json.dumps(owner))
    WriterLock.acquire(tmp_path).release()


def test_a_writer_of_another_machine_is_never_declared_dead(tmp_path):
    owner = identify() | {"host": "another-machine"}
    (tmp_path / "lock.json").write_text(json.dumps(owner))
    assert is_held(tmp_path)
    with pytest.raises(InputError, match=r"another-machine.*remove .*lock.json"):
        WriterLock.acquire(tmp_path)
    assert read_owner(tmp_path) == owner


def test_a_machine_started_again_has_no_writer_left(tmp_path):
    (tmp_path / "lock.json").write_text(json.dumps(identify() | {"boot": "before"}))
    assert not is_held(tmp_path)


def test_a_zombie_is_dead():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = identify(process.pid)
    assert is_alive(identity) is True
    process.kill()
    # Until it is waited for it stays in the process table.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_alive(identity) is False
    process.communicate()
