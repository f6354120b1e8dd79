"""Levels (thresholds) as people write them: absolute, or relative to what the map holds.

``0.42`` is a value of the map; ``0.2max`` a share of its maximum; ``3sigma`` so many standard
deviations over its mean; ``95%`` the level that encloses 95 % of its positive density; ``120kDa``
the level that encloses the volume of that mass; ``auto`` the suggested one. The relative ones are
found anew on every map, which is what makes a recipe fit another map of the same particle.
"""

import math
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.levels import level_enclosing, level_of_mass, suggest_level

LEVEL_FORMS = "a number, 0.2max, 3sigma, 95%, 120kDa or auto"

_UNITS = {"": "", "max": "max", "sigma": "sigma", "sd": "sigma", "%": "%", "kda": "kDa"}
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*([a-z%]*)\s*", re.IGNORECASE)


def parse_level(text: str) -> str:
    """Bring a level to its one written form. Raises `InputError` if it is none."""
    if text.strip().lower() == "auto":
        return "auto"
    number, unit = _split(text)
    if unit == "%" and not 0 < number < 100:
        raise InputError(f"level {text!r}: a share of the density lies between 0 % and 100 %.")
    if unit == "max" and not 0 < number <= 1:
        raise InputError(f"level {text!r}: a share of the maximum is over 0 and at most 1.")
    if unit == "kDa" and not number > 0:
        raise InputError(f"level {text!r}: a mass is over 0 kDa.")
    return f"{number:.9g}{unit}"


def find_level(text: str, volume: Map) -> tuple[float, str]:
    """Turn a written level into a value of this map, and say in words how it was found.

    Raises
    ------
    InputError
        if it is no level, or the map has none such: no positive density, or less than that mass.
    """
    text = parse_level(text)
    values, voxel = volume.data, volume.voxel_size_angstrom
    if text == "auto":
        suggested = suggest_level(values, voxel)
        return float(suggested.level), suggested.reason
    number, unit = _split(text)
    if unit == "":
        return number, "as given"
    if unit == "max":
        return number * float(values.max()), f"{number:g} of the map's maximum"
    if unit == "sigma":
        level = float(values.mean(dtype=float)) + number * float(values.std(dtype=float))
        return level, f"{number:g} standard deviations over the map's mean"
    if unit == "%":
        level = float(level_enclosing(values, share=number / 100.0))
        return level, f"encloses {number:g} % of the positive density"
    return float(level_of_mass(values, number, voxel)), f"encloses {number:g} kDa"


def _split(text: str) -> tuple[float, str]:
    found = _NUMBER.fullmatch(text)
    unit = _UNITS.get(found[2].lower()) if found else None
    number = float(found[1]) if found else math.nan
    if unit is None or not math.isfinite(number):
        raise InputError(f"level {text!r}: expected {LEVEL_FORMS}.")
    return number, unit


def _as_text(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{float(value):.9g}"
    return value


LevelText = Annotated[str, BeforeValidator(_as_text), AfterValidator(parse_level)]
"""A field of a recipe's step: a level in its written form; plain numbers are taken too."""
