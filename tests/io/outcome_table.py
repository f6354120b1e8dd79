"""Tables of what became of every real file, for people to read.

A test hands in its rows; the table is written as Markdown into the folder that the environment
variable ``LOCREF_OUTCOME_TABLE`` names, or into the test's own folder.
"""

import os
from collections.abc import Sequence
from pathlib import Path

FOLDER_VARIABLE = "LOCREF_OUTCOME_TABLE"


def write_outcome_table(
    name: str, header: Sequence[str], rows: Sequence[Sequence[str]], tmp_path: Path
) -> Path:
    """Write ``name.md`` and return where it is."""
    folder = Path(os.environ.get(FOLDER_VARIABLE) or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [_line(header), _line(["---"] * len(header)), *map(_line, rows)]
    path = folder / f"{name}.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
