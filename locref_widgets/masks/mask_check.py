"""What one look at a mask found: a state, a sentence, a number, and the one flag that mends it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["ok", "warning", "fault"]
"""A fault: the mask cannot be used as it is."""

Tool = Literal["volume-tools", "resample", "refine"]
"""The command of ``locref`` that a mend belongs to."""

_MARKS = {"ok": "ok", "warning": "warning", "fault": "FAULT"}


@dataclass(frozen=True)
class Mend:
    """How to mend a mask."""

    flag: str
    """As it is typed: ``--soft-pad 15``."""
    tool: Tool
    values: dict[str, Any] = field(default_factory=dict)
    """The same by name, for buttons: ``{"soft_pad": 15}``."""

    def command(self, mask: str = "MASK.mrc", out: str = "MENDED.mrc") -> str:
        """The whole line to type. A flag of ``refine`` belongs to a command of its own."""
        if self.tool == "refine":
            return f"locref refine … {self.flag}"
        return f"locref {self.tool} {mask} {self.flag} --out {out}"


@dataclass(frozen=True)
class MaskCheck:
    """One property of a mask."""

    name: str
    state: State
    text: str
    """A sentence or two without the name of the file: what was found and what to do about it."""
    value: float | None = None
    """The number that was found; its unit is in the text."""
    mend: Mend | None = None

    @property
    def is_ok(self) -> bool:
        """Whether there is nothing to tell."""
        return self.state == "ok"


def worst_state(checks: Sequence[MaskCheck]) -> State:
    """The state of the worst of some checks; ok if there are none."""
    states = {check.state for check in checks}
    return "fault" if "fault" in states else "warning" if "warning" in states else "ok"


def describe_checks(checks: Sequence[MaskCheck], mask: str = "MASK.mrc") -> list[str]:
    """Tell checks as lines for a terminal, with the command that mends each, and a last line."""
    width = max((len(check.name) for check in checks), default=0)
    lines = []
    for check in checks:
        lines.append(f"{_MARKS[check.state]:7s}  {check.name:{width}s}  {_capital(check.text)}")
        if check.mend is not None:
            lines.append(f"{'':{width + 11}s}mend: {check.mend.command(mask)}")
    return [*lines, _verdict(checks)]


def _verdict(checks: Sequence[MaskCheck]) -> str:
    faults, warnings = (
        sum(check.state == state for check in checks) for state in ("fault", "warning")
    )
    if faults:
        return f"The mask cannot be used as it is: {_count(faults, 'fault')}."
    if warnings:
        return f"The mask can be used; {_count(warnings, 'warning')}."
    return "The mask can be used; nothing speaks against it."


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + ("s" if n > 1 else "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
