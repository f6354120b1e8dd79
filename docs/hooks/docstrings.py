"""Docstrings as the reference reads them: `name: text` in a list of parameters is one entry."""

import re
from typing import Any

import griffe

_SECTION = re.compile(
    r"^(?P<head>(?:Parameters|Attributes)\n-{3,}\n)(?P<body>.*?)(?=^\w[\w ]*\n-{3,}\n|\Z)",
    re.MULTILINE | re.DOTALL,
)
_ENTRY = re.compile(r"^(\w+(?:, \w+)*): +(\S.*(?:\n    .*)*)", re.MULTILINE)


def spread_entries(text: str) -> str:
    """Bring the one-line form of NumPy's style into the two-line form, which parsers know."""

    def spread(entry: re.Match[str]) -> str:
        words = " ".join(entry[2].split())
        return f"{entry[1]}\n    {words}"

    return _SECTION.sub(lambda part: part["head"] + _ENTRY.sub(spread, part["body"]), text)


class SpreadEntries(griffe.Extension):
    """Applies `spread_entries` to every docstring."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for each object that it has read."""
        if obj.docstring is not None:
            obj.docstring.value = spread_entries(obj.docstring.value)
