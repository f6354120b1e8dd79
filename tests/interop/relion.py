"""Runs RELION's programs and compares maps without the package's help."""

import os
import subprocess
from pathlib import Path

import mrcfile
import numpy as np


def relion_reconstruct(program: str, star: Path, out: Path, *options: str) -> np.ndarray:
    """The map that ``relion_reconstruct --ctf --pad 2`` makes of a particle table.

    It runs in the table's folder, against which RELION resolves the image names.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [program, "--i", str(star), "--o", str(out), "--ctf", "--pad", "2", *options]
    answer = subprocess.run(
        command, cwd=star.parent, env=environment, capture_output=True, text=True, timeout=600
    )
    assert answer.returncode == 0, f"{' '.join(command)}\n{answer.stdout}\n{answer.stderr}"
    return mrcfile.read(out)


def shell_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """FSC of two maps for shells 0 .. N//2, by NumPy alone."""
    cross, power_first, power_second = _shell_sums(first, second)
    return cross / np.sqrt(power_first * power_second)


def stored_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """FSC as RELION sums it: every stored coefficient of the half-spectrum once.

    The plane kx = 0 holds both Hermitian mates and so counts twice as much there.
    """
    n = first.shape[0]
    a, b = (np.fft.rfftn(m.astype(float)) for m in (first, second))
    k, half = np.fft.fftfreq(n, 1 / n), np.fft.rfftfreq(n, 1 / n)
    shell = np.rint(np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + half**2)).astype(int)
    terms = ((a * b.conj()).real, abs(a) ** 2, abs(b) ** 2)
    cross, power_first, power_second = (
        np.bincount(shell.ravel(), term.ravel())[: n // 2 + 1] for term in terms
    )
    return cross / np.sqrt(power_first * power_second)


def shell_scales(map_: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Factor, for each shell 0 .. N//2, that the truth has in a map (least squares)."""
    cross, _, power_truth = _shell_sums(map_, truth)
    return cross / power_truth


def soft_sphere(box_px: int, edge_px: float = 3.0) -> np.ndarray:
    """1 inside the sphere inscribed in the box, falling to 0 over its outermost pixels."""
    k = np.arange(box_px) - box_px // 2
    radius = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    depth = np.clip((radius - (box_px / 2 - edge_px)) / edge_px, 0, 1)
    return (0.5 + 0.5 * np.cos(np.pi * depth)).astype(np.float32)


def _shell_sums(first: np.ndarray, second: np.ndarray) -> list[np.ndarray]:
    """Sums over shells 0 .. N//2 of ``Re a b*``, ``|a|^2`` and ``|b|^2``."""
    a, b = (np.fft.fftshift(np.fft.fftn(m.astype(float))) for m in (first, second))
    n = first.shape[0]
    k = np.arange(n) - n // 2
    shell = np.rint(np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)).astype(int).ravel()
    terms = ((a * b.conj()).real, abs(a) ** 2, abs(b) ** 2)
    return [np.bincount(shell, term.ravel())[: n // 2 + 1] for term in terms]
