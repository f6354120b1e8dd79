"""The .csg files by which cryoSPARC exports and imports groups of fields."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer

_LARGEST_CSG = 2**20
_CSG_VERSION = "v4.0.0"
"""Of cryoSPARC, the first that has all fields written here."""


def read_group_files(path: Path) -> dict[str, str]:
    """Read which .cs file holds each group of fields, by its name from the folder of the .csg.

    Raises
    ------
    InputError
        If the file is absent, is no YAML, or names no .cs files.
    """
    import yaml

    try:
        if path.stat().st_size > _LARGEST_CSG:
            raise InputError(f"{path}: is larger than a .csg file can be. Is it one?")
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Check the name and the folder.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from None
    # ValueError: no UTF-8, or a date or number that YAML cannot make; RecursionError: too deep.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: is no YAML file ({type(error).__name__}), expected a .csg group of "
            "cryoSPARC. Export the particles again."
        ) from None
    results = content.get("results") if isinstance(content, dict) else None
    files: dict[str, str] = {}
    for group, entry in results.items() if isinstance(results, dict) else ():
        metafile = entry.get("metafile") if isinstance(entry, dict) else None
        if not isinstance(metafile, str):
            raise InputError(
                f"{path}: results/{group} has no metafile, expected the name of a .cs file. "
                "Export the particles again."
            )
        # The sign > says that the name starts from the folder of the .csg.
        files[str(group)] = metafile.removeprefix(">")
    if not files:
        raise InputError(
            f"{path}: has no results, expected a .csg group of cryoSPARC that names a .cs file for "
            "each group of fields."
        )
    return files


def write_group(path: Path, fields: Iterable[str], rows: int) -> None:
    """Write a .csg file for the .cs file of the same name beside it, whole or not at all.

    ``fields`` and ``rows`` are those of the .cs file. cryoSPARC's job Import Result Group reads
    particles by such a file.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disc is full.
    """
    import yaml

    groups = {name.partition("/")[0] for name in fields if "/" in name}
    entry: dict[str, Any] = {
        "metafile": f">{path.with_suffix('.cs').name}",
        "num_items": rows,
    }
    content = {
        "group": {"description": "", "name": "particles", "title": path.stem, "type": "particle"},
        "results": {name: entry | {"type": f"particle.{name}"} for name in sorted(groups)},
        "version": _CSG_VERSION,
    }
    with atomic_writer(path) as handle:
        handle.write(yaml.safe_dump(content).encode())
