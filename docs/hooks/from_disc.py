"""The search's index as a script, beside the file that a server would give.

A page that is opened from the disc may load scripts but read no files; the theme looks for the
variable ``__index`` before it asks for the file.
"""

from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority


@event_priority(-100)
def on_post_build(config: Any, **_: Any) -> None:
    """Write ``search/search_index.js``."""
    folder = Path(config.site_dir) / "search"
    index = (folder / "search_index.json").read_text(encoding="utf-8")
    (folder / "search_index.js").write_text(f"var __index = {index}", encoding="utf-8")
