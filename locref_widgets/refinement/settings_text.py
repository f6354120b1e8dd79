"""Settings as text: descriptions for forms and flags, YAML, and faults in words."""

import difflib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from locref_widgets.errors import InputError

_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


class SettingOption(NamedTuple):
    """One setting as a form or a command line shows it.

    `minimum` itself is allowed unless `above_minimum`; `range` says both limits in words.
    """

    name: str
    flag: str
    annotation: Any
    default: Any
    unit: str
    range: str
    minimum: float | None
    maximum: float | None
    above_minimum: bool
    description: str

    @property
    def help(self) -> str:
        """Description with unit and range in brackets."""
        extras = "; ".join(text for text in (self.unit, self.range) if text)
        return f"{self.description} [{extras}]" if extras else self.description


def describe_fields(fields: Mapping[str, FieldInfo]) -> list[SettingOption]:
    """Describe every field of a settings model, in their order."""
    options = []
    for name, field in fields.items():
        limits = {
            bound: getattr(entry, bound)
            for entry in field.metadata
            for bound in _SIGNS
            if getattr(entry, bound, None) is not None
        }
        extra = field.json_schema_extra
        options.append(
            SettingOption(
                name=name,
                flag="--" + name.replace("_", "-"),
                annotation=field.annotation,
                default=field.default,
                unit=str(extra["unit"]) if isinstance(extra, dict) else "",
                range=", ".join(f"{_SIGNS[bound]} {_number(v)}" for bound, v in limits.items()),
                minimum=limits.get("gt", limits.get("ge")),
                maximum=limits.get("lt", limits.get("le")),
                above_minimum="gt" in limits,
                description=field.description or "",
            )
        )
    return options


def to_yaml(options: list[SettingOption], settings: BaseModel) -> str:
    """Write settings as YAML, each under a comment that explains it."""
    lines = []
    for option in options:
        value = getattr(settings, option.name)
        # A JSON value is a YAML value, and always fits on one line.
        lines += [f"# {option.help}", f"{option.name}: {json.dumps(value)}"]
    return "\n".join(lines) + "\n"


def read_text(path: str | os.PathLike, what: str = "settings") -> str:
    """Read a text file of ``what``; raise `InputError` when that is not possible."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"there is no {what} file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the {what} file {path}: {error}") from None


def read_yaml_values(text: str, source: str) -> dict[str, Any]:
    """Read `name: value` lines; lists become tuples. Raises `InputError` naming `source`."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{source} is not valid YAML: {' '.join(str(error).split())}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{source} must hold `name: value` lines, as in `rotation_extent: 0.3`")
    return {str(name): tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def explain(error: ValidationError, options: list[SettingOption]) -> str:
    """Put the first fault of each setting into words, with unit and range."""
    return "; ".join(explain_each(error, options).values())


def explain_each(error: ValidationError, options: list[SettingOption]) -> dict[str, str]:
    """Put the first fault of each setting into words, by name; "" is of several together."""
    known = {option.name: option for option in options}
    sentences: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        name = str(fault["loc"][0]) if fault["loc"] else ""
        if name in sentences:
            continue
        if fault["type"] == "extra_forbidden":
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            sentences[name] = f"there is no setting {name!r}; {hint}"
        elif name:
            sentences[name] = _explain_value(known[name], fault["input"], fault["msg"])
        else:
            sentences[name] = fault["msg"].removeprefix("Value error, ")
    return sentences


def _explain_value(option: SettingOption, value: object, message: str) -> str:
    unit = f" {option.unit}" if option.unit else ""
    wanted = f"it must be {option.range}" if option.range else message.removeprefix("Value error, ")
    return f"{option.name} is {value!r}{unit}; {wanted}. {option.description}"


def _number(value: float | int) -> str:
    return "π" if value == math.pi else f"{value:g}"
