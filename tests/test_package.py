"""What holds for the whole package: arrows only go down, importing it is cheap, one version."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import locref_widgets
from locref_widgets import widgets

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "locref_widgets"

# What a sub-package must not know of.
FORBIDDEN = {
    "engine": {
        "io",
        "runs",
        "widgets",
        "refinement",
        "masks",
        "figures",
        "simulation",
        "cli",
        "validation",
    },
    "io": {"runs", "widgets", "refinement", "figures", "cli", "validation"},
    "masks": {"runs", "widgets", "refinement", "figures", "cli", "validation"},
    "refinement": {"runs", "widgets", "figures", "cli", "validation"},
    "figures": {"widgets", "cli", "validation"},
    "runs": {"widgets", "cli", "validation"},
    "simulation": {"runs", "widgets", "cli", "validation"},
    "validation": {"refinement", "widgets", "cli"},
}


def imported_subpackages(module: Path) -> set[str]:
    """Sub-packages of locref_widgets that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    parts = (name.split(".") for name in names)
    return {p[1] for p in parts if p[0] == "locref_widgets" and len(p) > 1}


@pytest.mark.parametrize("subpackage", sorted(FORBIDDEN))
def test_arrows_only_go_down(subpackage: str) -> None:
    modules = sorted((PACKAGE / subpackage).rglob("*.py"))
    assert modules
    upward = {
        f"{module.relative_to(REPOSITORY)} -> {name}"
        for module in modules
        for name in imported_subpackages(module) & FORBIDDEN[subpackage]
    }
    assert upward == set()


def test_no_module_outgrows_one_idea() -> None:
    """Nor do the tests, and the front end."""
    modules = [
        *PACKAGE.rglob("*.py"),
        *(REPOSITORY / "tests").rglob("*.py"),
        *(path for path in (REPOSITORY / "js").rglob("*.ts") if "built" not in path.parts),
    ]
    lengths = {
        str(module.relative_to(REPOSITORY)): len(module.read_text(encoding="utf-8").splitlines())
        for module in modules
    }
    assert {name: n for name, n in lengths.items() if n > 400} == {}


def run_python(code: str) -> str:
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_importing_the_package_loads_neither_jax_nor_the_front_end() -> None:
    loaded = run_python("import sys, locref_widgets; print(*sys.modules)").split()
    assert not {"jax", "bqplot", "ipywidgets", "matplotlib", "scipy"} & set(loaded)


def test_importing_every_module_starts_no_jax_backend_and_changes_no_configuration() -> None:
    code = """
import importlib, pkgutil, jax
import locref_widgets
before = dict(jax.config.values)
for module in pkgutil.walk_packages(locref_widgets.__path__, "locref_widgets."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from jax._src import xla_bridge
changed = [name for name, value in before.items() if jax.config.values[name] != value]
print(xla_bridge.backends_are_initialized(), changed)
"""
    assert run_python(code).strip() == "False []"


def test_python_and_front_end_agree_on_the_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    front_end = json.loads((REPOSITORY / "package.json").read_text())["version"]
    assert project == front_end == locref_widgets.__version__


def test_every_view_that_cannot_come_alive_says_what_to_do() -> None:
    """The page knows our views by how their text begins: it has to know the names of all."""
    page = (REPOSITORY / "js" / "src" / "lab" / "stand_ins.ts").read_text(encoding="utf-8")
    known = re.search(r"/\^\(([\w|]+)\)", page)
    assert known is not None
    assert set(known[1].split("|")) >= {*widgets.__all__, "SearchExplorer"}
