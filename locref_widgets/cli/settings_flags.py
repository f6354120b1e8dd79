"""The command line's settings flags, made from the fields of `RefinementSettings`."""

import inspect
from collections.abc import Callable, Container
from functools import wraps
from typing import Annotated, Any, Optional, get_args

import typer

from locref_widgets.refinement.fulcrum_point import parse_point
from locref_widgets.refinement.settings import setting_options
from locref_widgets.refinement.settings_text import SettingOption
from locref_widgets.refinement.steering import STEERABLE

_POINTS = {"fulcrum": "X,Y,Z|mask|box", "fulcrum_angstrom": "X,Y,Z"}
_METAVARS = {"rad": "RAD", "px": "PX", "Å": "Å", "particles": "N"}


def with_settings(
    command: Callable[..., None], names: Container[str] | None = None
) -> Callable[..., None]:
    """Give a command a flag for every setting, or for some of them.

    The command takes the flags that were used as the dictionary ``given``, named as the settings
    are; all others keep what a settings file or the defaults say.
    """
    options = [o for o in setting_options() if names is None or o.name in names]

    @wraps(command)
    def wrapper(**values: Any) -> None:
        given = {option.name: values.pop(option.name) for option in options}
        used = {name: value for name, value in given.items() if value is not None}
        command(**values, given={name: _parse(name, value) for name, value in used.items()})

    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.name != "given"]
    flags = [_parameter(option) for option in options]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in [*own, *flags]]
    wrapper.__signature__ = signature.replace(parameters=parameters)  # pyright: ignore[reportAttributeAccessIssue]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapper


def with_steerable_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag for every setting that can be changed while a run goes on."""
    return with_settings(command, STEERABLE)


def _parameter(option: SettingOption) -> inspect.Parameter:
    kinds = (option.annotation, *get_args(option.annotation))
    kind = next((k for k in (bool, int, float) if k in kinds), str)
    if option.name in _POINTS:
        kind = str
    flag = f"{option.flag}/--no-{option.flag[2:]}" if kind is bool else option.flag
    default = "" if option.default is None else f" (default {_shown(option.default)})"
    named = kind is str and option.name not in _POINTS
    choices = "|".join(get_args(option.annotation)) if named else None
    metavar = _POINTS.get(option.name) or choices or _METAVARS.get(option.unit)
    info = typer.Option(
        flag,
        help=option.help + default,
        metavar=None if kind is bool else metavar,
        show_default=False,
        rich_help_panel="Settings",
    )
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[Optional[kind], info],  # noqa: UP045 - made at run time
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else f"{value:g}"


def _parse(name: str, value: Any) -> Any:
    if name not in _POINTS or (name == "fulcrum" and value in ("mask", "box")):
        return value
    return parse_point(value, "--" + name.replace("_", "-"))
