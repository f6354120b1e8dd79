"""What a conversion leaves out, and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from locref_widgets.errors import InputError

Result = TypeVar("Result")


@dataclass(frozen=True)
class NotCarried:
    """A column or field that the other format has no place for."""

    name: str
    reason: str


def read_or_leave(
    left: list[NotCarried], names: Sequence[str], read: Callable[[], Result]
) -> Result | None:
    """Read columns that a refinement does not need; leave them out if they cannot be read.

    Programs write NaN or words there, and a file must not fail for them that is good to refine.
    """
    try:
        return read()
    except InputError:
        reason = "holds values that are not finite numbers"
        left.extend(NotCarried(name, reason) for name in names)
        return None
