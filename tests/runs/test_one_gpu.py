"""Workers on one machine take one GPU each."""

import subprocess
import sys
from pathlib import Path

from locref_widgets.runs.one_gpu import take_one_gpu, visible_gpus

REPOSITORY = Path(__file__).resolve().parents[2]
_TAKE_AND_WAIT = """
import sys
from pathlib import Path
from locref_widgets.runs.one_gpu import take_one_gpu
environment = {"CUDA_VISIBLE_DEVICES": sys.argv[2]}
taken = take_one_gpu(environment, Path(sys.argv[1]))
print(taken, environment.get("XLA_PYTHON_CLIENT_PREALLOCATE"), flush=True)
sys.stdin.read()
"""


def _worker(locks: Path, visible: str) -> tuple[subprocess.Popen, list[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE_AND_WAIT, str(locks), visible],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().split()


def test_each_takes_another_and_what_a_dead_one_had_is_free(tmp_path):
    first, second = _worker(tmp_path, "0,1"), _worker(tmp_path, "0,1")
    try:
        assert [first[1], second[1]] == [["0", "None"], ["1", "None"]]
        # A third has to share, and must not reserve all the memory.
        third, said = _worker(tmp_path, "0,1")
        third.kill()
        third.communicate()
        assert said[0] in "01"
        assert said[1] == "false"
        first[0].kill()
        first[0].communicate()
        again, said = _worker(tmp_path, "0,1")
        again.kill()
        again.communicate()
        assert said == ["0", "None"]
    finally:
        for process, _ in (first, second):
            process.kill()
            process.communicate()


def test_where_there_is_one_or_none_nothing_is_done(tmp_path):
    for visible in ({"CUDA_VISIBLE_DEVICES": "GPU-5a"}, {"CUDA_VISIBLE_DEVICES": ""}):
        before = dict(visible)
        assert take_one_gpu(visible, tmp_path) is None
        assert visible == before
    assert not list(tmp_path.iterdir())


def test_without_a_choice_the_driver_tells_how_many_there_are(tmp_path):
    for bus in ("0000:17:00.0", "0000:65:00.0", "0000:ca:00.0"):
        (tmp_path / bus).mkdir()
    assert visible_gpus({}, tmp_path) == ["0", "1", "2"]
    assert visible_gpus({}, tmp_path / "absent") == []
