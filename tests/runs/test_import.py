import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

CODE = """
import sys
import tomllib
from pathlib import Path
before = set(sys.modules)
import {module}
loaded = set(sys.modules) - before
bridge = sys.modules.get("jax._src.xla_bridge")
print(bool(bridge and bridge.backends_are_initialized()), "jax" in loaded, "pydantic" in loaded)
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_none_of_the_slow_libraries():
    assert run(CODE.format(module="locref_widgets")) == "False False False"


def test_the_command_line_starts_without_jax():
    assert run(CODE.format(module="locref_widgets.cli")).startswith("False False")


@pytest.mark.parametrize(
    "module", ["locref_widgets.runs.run", "locref_widgets.runs.worker", "locref_widgets.widgets"]
)
def test_no_module_starts_a_jax_backend(module):
    assert run(CODE.format(module=module)).startswith("False")


def test_every_public_name_can_be_reached():
    code = "import locref_widgets as lw; print([n for n in lw.__all__ if not hasattr(lw, n)])"
    assert run(code) == "[]"


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert run("import locref_widgets; print(locref_widgets.__version__)") == project["version"]
