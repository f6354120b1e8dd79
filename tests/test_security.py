"""Nothing that is read can run code: the package's own source, and files that try."""

import ast
import pickle
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import locref_widgets
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import write_map
from locref_widgets.runs.iteration_files import read_changes, read_iteration_files

PACKAGE = Path(locref_widgets.__file__).parent
UNPICKLES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
MAY_UNPICKLE = {"runs/chunk_worker.py"}
"""What one process of a Dask cluster gets from another, which may run programs there as it is."""
RUNS_CODE = {"eval", "exec", "compile"}


@cache
def sources() -> list[tuple[str, ast.Module]]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return [(str(path.relative_to(PACKAGE)), ast.parse(path.read_text())) for path in paths]


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Every call by the name that it is written with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def imported(tree: ast.Module) -> set[str]:
    """First parts of the names of all modules that are imported anywhere."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def imported_from(tree: ast.Module, module: str) -> set[str]:
    """Names that are taken out of a module."""
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == module
        for alias in node.names
    }


def renamed(tree: ast.Module, module: str) -> set[str]:
    """Other names that a module is given."""
    return {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == module and alias.asname
    }


def test_no_module_unpickles_but_what_dask_brings():
    found = {name for name, tree in sources() if imported(tree) & UNPICKLES}
    assert found == MAY_UNPICKLE


def test_arrays_are_read_without_pickle_and_yaml_safely():
    for name, tree in sources():
        for function, call in calls(tree):
            if function in {"np.load", "numpy.load"}:
                options = {k.arg: ast.unparse(k.value) for k in call.keywords}
                assert options.get("allow_pickle", "False") == "False", f"{name}:{call.lineno}"
            if function.startswith("yaml.") and function.count(".") == 1:
                assert function in {"yaml.safe_load", "yaml.safe_dump"}, f"{name}:{call.lineno}"
        # Under a bare name the calls above would not be seen.
        assert not imported_from(tree, "numpy") & {"load", "*"}, name
        assert not imported_from(tree, "yaml") - {"safe_load", "safe_dump"}, name
        assert renamed(tree, "numpy") <= {"np"}, name
        assert not renamed(tree, "yaml"), name


def test_no_text_is_run_as_code_or_by_a_shell():
    for name, tree in sources():
        for function, call in calls(tree):
            where = f"{name}:{call.lineno}"
            assert function not in RUNS_CODE | {"os.system", "os.popen"}, where
            assert not any(k.arg == "shell" for k in call.keywords), where


class Planted:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_an_iteration_with_a_pickle_in_it_is_refused_and_not_opened(tmp_path):
    planted = tmp_path / "planted"
    pickle.loads(pickle.dumps(Planted(planted)))  # noqa: S301
    assert planted.exists()  # so it would
    planted.unlink()
    content = np.array([Planted(planted)], dtype=object)
    np.savez(tmp_path / "info.npz", iteration=content, indices=content)
    for name in ("half1", "half2", "map", "mask"):
        write_map(tmp_path / f"{name}.mrc", np.zeros((4, 4, 4), np.float32), 1.0)
    for read in (read_changes, read_iteration_files):
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path)
    assert not planted.exists()
