"""Stand-ins for ``sbatch`` and ``scancel`` that run jobs on this machine."""

import os
import sys
from pathlib import Path

_SBATCH = """#!{python}
import os, re, subprocess, sys
from pathlib import Path

jobs = Path({jobs!r})
script = Path(sys.argv[-1]).read_text()
number = len(list(jobs.glob("*.sh"))) + 1
while True:
    try:
        with open(jobs / f"{{number}}.sh", "x") as kept:
            kept.write(script)
        break
    except FileExistsError:
        number += 1
out = re.search("^#SBATCH -o (.*)$", script, re.M).group(1).replace("%J", str(number))
with open(out, "ab") as log:
    process = subprocess.Popen(
        ["/bin/bash", str(jobs / f"{{number}}.sh")],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        env={{**os.environ, "SLURM_JOB_ID": str(number)}},
    )
(jobs / f"{{number}}.pid").write_text(str(process.pid))
print(f"Submitted batch job {{number}}")
"""

_SCANCEL = """#!{python}
import os, signal, sys
from pathlib import Path

for job in sys.argv[1:]:
    try:
        os.killpg(int((Path({jobs!r}) / f"{{job}}.pid").read_text()), signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError):
        sys.exit("slurm_kill_job error: Invalid job id specified")
"""


def write_fake_slurm(folder: Path) -> tuple[Path, Path]:
    """Write both programs; return the folder of the programs and that of the jobs' scripts."""
    programs, jobs = folder / "bin", folder / "jobs"
    programs.mkdir(parents=True)
    jobs.mkdir()
    for name, text in (("sbatch", _SBATCH), ("scancel", _SCANCEL)):
        path = programs / name
        path.write_text(text.format(python=sys.executable, jobs=str(jobs)))
        path.chmod(0o755)
    return programs, jobs


def job_process(jobs: Path, number: int) -> int:
    """Process group of a job."""
    return int((jobs / f"{number}.pid").read_text())


def is_over(process: int) -> bool:
    """Whether a job's process has ended, be it still in the table of processes."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def with_programs(programs: Path) -> str:
    """PATH with the programs first."""
    return os.pathsep.join([str(programs), os.environ["PATH"]])
