"""The built bundle, its sources' own tests, and that all parts say the same version."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import locref_widgets
from locref_widgets.widgets.map_view import BUNDLE

REPOSITORY = Path(__file__).resolve().parents[2]


def test_versions_agree():
    package = json.loads((REPOSITORY / "package.json").read_text())
    lock = json.loads((REPOSITORY / "package-lock.json").read_text())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    versions = {package["version"], lock["version"], lock["packages"][""]["version"]}
    assert versions == {locref_widgets.__version__}
    assert project.get("version", locref_widgets.__version__) == locref_widgets.__version__


def test_the_lock_file_names_no_registry():
    lock = json.loads((REPOSITORY / "package-lock.json").read_text())
    entries = {name: entry for name, entry in lock["packages"].items() if name}
    assert entries
    for name, entry in entries.items():
        assert "resolved" not in entry, name
        assert entry["integrity"], name


def test_the_bundle_is_small_and_loads_nothing_from_elsewhere():
    text = BUNDLE.read_text(encoding="utf-8")
    # anywidget sends it once per widget.
    assert len(text) < 100_000
    assert not re.search(r"https?://|\bimport\s*\(|\beval\s*\(|from\s*[\"']", text)
    assert re.search(r"export\s*\{", text)


def test_the_sources_own_tests():
    here = Path(sys.executable).parent
    path = os.pathsep.join([str(here), os.environ.get("PATH", "")])
    npm = shutil.which("npm", path=path)
    if npm is None or not (REPOSITORY / "node_modules").is_dir():
        pytest.skip("no Node, or the npm packages are not installed (npm ci)")
    answer = subprocess.run(
        [npm, "run", "--silent", "test"],
        cwd=REPOSITORY,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-2000:]
    assert re.search(r"# pass [1-9]|pass [1-9]", answer.stdout)
