"""The notebooks as pages of the tutorials: their text and code, as they stand in the repository."""

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_WITH_DOWNLOAD = (
    "{title}\n\n"
    "[Download the notebook]({name}){{ .md-button download }}\n\n"
    "Open it in JupyterLab to run it and to use its widgets; this page shows its text and code.\n"
)

_LIST_HERE = "<!-- notebooks here -->"


def on_config(config: Any, **_: Any) -> Any:
    """Put the notebooks into the navigation."""
    for entry in config.nav:
        if "Tutorials" in entry:
            entry["Tutorials"] += [f"tutorials/{path.stem}.md" for path in _notebooks(config)]
    return config


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add a page for each notebook, and the notebook itself to download."""
    for path in _notebooks(config):
        page = f"tutorials/{path.stem}.md"
        files.append(File.generated(config, page, content=_as_markdown(path)))
        files.append(
            File.generated(config, f"tutorials/{path.name}", abs_src_path=str(path.resolve()))
        )
    return files


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """List the notebooks where a page asks for it."""
    if _LIST_HERE not in markdown:
        return markdown
    rows = []
    for path in _notebooks(config):
        title, _, rest = _as_markdown(path).partition("\n")
        first = re.sub(r"\s+", " ", rest.split("Open it in JupyterLab", 1)[1].split("\n\n")[1])
        heading = title.removeprefix("# ")
        rows.append(f"- [{heading}]({path.stem}.md): {first.split('. ')[0].strip().rstrip('.')}.")
    return markdown.replace(_LIST_HERE, "\n".join(rows))


def _notebooks(config: Any) -> list[Path]:
    return sorted((Path(config.config_file_path).parent / "notebooks").glob("*.ipynb"))


def _as_markdown(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        source = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code" and source:
            parts.append(f"````python\n{source}\n````")
    text = "\n\n".join(parts) + "\n"
    title, _, rest = text.partition("\n")
    if not re.match(r"# \S", title):
        raise ValueError(f"{path}: must begin with a heading, which names it in the navigation")
    return _WITH_DOWNLOAD.format(title=title, name=path.name) + rest
