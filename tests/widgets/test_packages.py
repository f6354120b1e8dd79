"""What is built is what people get: the wheel alone gives a JupyterLab with the extension."""

import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import locref_widgets

REPOSITORY = Path(__file__).resolve().parents[2]
LABEXTENSION = REPOSITORY / "js" / "built" / "labextension"
SHARED = f"locref_widgets-{locref_widgets.__version__}.data/data/share/jupyter/labextensions"


def build(target, folder):
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    answer = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr[-3000:]
    return next(path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def banner(text):
    return re.match(r"/\* (\S+) (\S+) \*/", text).groups()


def test_built_files_are_of_the_package_version(wheel):
    expected = ("locref-widgets", locref_widgets.__version__)
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
        inside = f"{SHARED}/locref-widgets"
        package = json.loads(files.read(f"{inside}/package.json"))
        script = files.read(f"{inside}/{package['jupyterlab']['_build']['load']}").decode()
        bundles = [name for name in names if re.match(r"locref_widgets/widgets/static/.*js$", name)]
        assert bundles
        assert {banner(files.read(name).decode()) for name in bundles} == {expected}
        assert (package["name"], package["version"]) == expected
        assert banner(script) == expected
        assert f"locref_widgets-{locref_widgets.__version__}-" in wheel.name
        assert f"{inside}/install.json" in names
        assert not any(name.startswith(("js/", "tests/")) for name in names)
        # Nothing is fetched from elsewhere, and no text is run as code.
        assert not re.search(r"https?://(?!www\.w3\.org)|\beval\s*\(|new Function", script)


def test_editable_wheel_brings_the_extension_too(tmp_path):
    code = (
        "import sys; from hatchling.build import build_editable; print(build_editable(sys.argv[1]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as files:
        assert f"{SHARED}/locref-widgets/package.json" in files.namelist()
        assert not any(name.startswith("locref_widgets/") for name in files.namelist())


def test_source_distribution_carries_the_built_files(tmp_path):
    with tarfile.open(build("sdist", tmp_path)) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {
        "js/built/labextension/package.json",
        "locref_widgets/widgets/static/map_view.js",
    } <= names
    assert {"package-lock.json", "js/build.mjs", "js/src/lab/plugin.ts", "hatch_build.py"} <= names
    assert not any(name.startswith("node_modules") for name in names)


def test_the_wheel_alone_gives_an_enabled_extension(wheel, tmp_path):
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    install = [
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([sys.executable, *install, str(wheel)], check=True)
    # The dependencies come from this environment; a line in a .pth file runs none of its own.
    site = next((home / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    environment = {"PATH": f"{home / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path)}
    code = "import locref_widgets.widgets.map_view as m; m.BUNDLE.read_text(); print(m.__file__)"
    answer = subprocess.run(
        [python, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert answer.stdout.startswith(str(site)), answer.stderr[-2000:]
    answer = subprocess.run(
        [python, "-m", "jupyterlab.labextensions", "list"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    text = re.sub(r"\x1b\[[0-9;]*m", "", answer.stdout + answer.stderr)
    found = re.search(rf"locref-widgets v{re.escape(locref_widgets.__version__)} (.*)", text)
    assert found, text[-2000:]
    assert "enabled" in found[1]
    assert "OK" in found[1]
    assert str(home / "share" / "jupyter" / "labextensions") in text
