"""A small particle set in the style of RELION 3.1 or 3.0 that tests change where they need."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from tests.io.cs_files import CsRecipe

OPTICS = {
    "rlnOpticsGroup": ["1"],
    "rlnOpticsGroupName": ["opticsGroup1"],
    "rlnVoltage": ["300.000000"],
    "rlnSphericalAberration": ["2.700000"],
    "rlnAmplitudeContrast": ["0.100000"],
    "rlnImagePixelSize": ["2.500000"],
    "rlnImageSize": ["16"],
    "rlnImageDimensionality": ["2"],
}
COUNT = 6
PARTICLES = {
    "rlnImageName": [f"{i + 1:06d}@stack.mrcs" for i in range(COUNT)],
    "rlnMicrographName": ["'a micrograph.mrc'"] * COUNT,
    "rlnDefocusU": [f"{10000 + 10 * i}.250000" for i in range(COUNT)],
    "rlnDefocusV": [f"{9900 + 10 * i}.500000" for i in range(COUNT)],
    "rlnDefocusAngle": ["-45.10000"] * COUNT,
    "rlnOpticsGroup": ["1"] * COUNT,
    "rlnAngleRot": ["-128.10516", "41.1", "0", "1e1", "179.999999", "-41.13825"],
    "rlnAngleTilt": ["37.068920", "0.0", "180.0", "51.379323", "90", "40.072723"],
    "rlnAnglePsi": ["-82.17809", "22.146975", "5", "-166.59197", "0.0", "-154.78709"],
    "rlnOriginXAngst": ["13.284554", "-24.21545", "0", "-2.96545", "4.867366", "1.5"],
    "rlnOriginYAngst": ["-3.21701", "-25.71701", "0", "3.950179", "-0.46545", "-1.5"],
    "rlnRandomSubset": ["1", "2", "1", "2", "2", "1"],
}


@dataclass
class Recipe:
    """Tables as columns of tokens; tests change them and then write the files."""

    folder: Path
    optics: dict[str, list[str]] | None = field(default_factory=lambda: dict(OPTICS))
    particles: dict[str, list[str]] = field(default_factory=lambda: dict(PARTICLES))
    images: np.ndarray = field(
        default_factory=lambda: np.random.default_rng(1).normal(size=(COUNT, 16, 16)).astype("f4")
    )
    optics_last: bool = False

    def write(self, text: Callable[[str], str] = lambda text: text) -> Path:
        """Write stack.mrcs and particles.star; ``text`` may spoil the STAR file's text."""
        with mrcfile.new(self.folder / "stack.mrcs", overwrite=True) as stack:
            stack.set_data(self.images)
            stack.voxel_size = 2.5
        blocks = [("particles" if self.optics else "", self.particles)]
        if self.optics:
            blocks.insert(1 if self.optics_last else 0, ("optics", self.optics))
        path = self.folder / "particles.star"
        path.write_text(text("".join(block(name, columns) for name, columns in blocks)))
        return path

    def to_relion_3_0(self) -> "Recipe":
        """Put the optics into the rows and the origins into pixels, as RELION 3.0 does."""
        per_row = {
            "rlnVoltage": "300.0",
            "rlnSphericalAberration": "2.7",
            "rlnAmplitudeContrast": "0.1",
            "rlnMagnification": "20000.0",
            "rlnDetectorPixelSize": "5.0",
        }
        self.optics = None
        self.particles = {
            name.replace("Angst", ""): column
            for name, column in self.particles.items()
            if name != "rlnOpticsGroup"
        } | {name: [value] * COUNT for name, value in per_row.items()}
        return self


def block(name: str, columns: dict[str, list[str]]) -> str:
    """The text of a loop."""
    labels = "".join(f"_{label} #{i}\n" for i, label in enumerate(columns, 1))
    rows = "".join("   ".join(row) + " \n" for row in zip(*columns.values(), strict=True))
    return f"\n# version 30001\n\ndata_{name}\n\nloop_ \n{labels}{rows} \n"


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return Recipe(tmp_path)


@pytest.fixture
def new_recipe() -> type[Recipe]:
    """For tests that need a fresh recipe for each of many examples."""
    return Recipe


@pytest.fixture
def cs_recipe(tmp_path: Path) -> CsRecipe:
    return CsRecipe(tmp_path)
