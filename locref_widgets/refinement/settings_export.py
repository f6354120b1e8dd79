"""Settings as a command line and as Python: what differs from the defaults, ready to paste."""

import os
import shlex
from typing import Any

from locref_widgets.refinement.settings import RefinementSettings, setting_options

_LINE = 88


def changed_settings(settings: RefinementSettings) -> dict[str, Any]:
    """Settings that differ from the defaults, in the order of the fields."""
    return {
        option.name: value
        for option in setting_options()
        if (value := getattr(settings, option.name)) != option.default
    }


def to_command(
    settings: RefinementSettings,
    *,
    particles: str | os.PathLike = "particles.star",
    volume: str | os.PathLike = "map.mrc",
    mask: str | os.PathLike = "mask.mrc",
    out: str | os.PathLike = "runs/a",
) -> str:
    """Write the `locref refine` command, for a POSIX shell; long ones on several lines."""
    files = {"--map": volume, "--mask": mask, "--out": out}
    parts = [f"locref refine {shlex.quote(str(particles))}"]
    parts += [f"{flag} {shlex.quote(str(path))}" for flag, path in files.items()]
    flags = {option.name: option.flag for option in setting_options()}
    parts += [_argument(flags[name], value) for name, value in changed_settings(settings).items()]
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) + 3 > _LINE:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += " " + part
    return "\n".join(lines)


def _argument(flag: str, value: Any) -> str:
    if isinstance(value, bool):
        return flag if value else f"--no-{flag[2:]}"
    text = ",".join(_number(one) for one in value) if isinstance(value, tuple) else _number(value)
    # An equals sign keeps a leading minus from being read as another flag.
    return f"{flag}={text}" if text.startswith("-") else f"{flag} {shlex.quote(text)}"


def _number(value: Any) -> str:
    # The shortest text that reads back as the same number.
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def to_python(settings: RefinementSettings) -> str:
    """Write the settings as the Python expression that makes them."""
    arguments = "".join(f"    {n}={v!r},\n" for n, v in changed_settings(settings).items())
    inside = f"\n{arguments}" if arguments else ""
    return f"import locref_widgets as lw\n\nsettings = lw.RefinementSettings({inside})\n"
