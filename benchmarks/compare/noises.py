"""Noises between processes to simulate, for the program decision_rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

# C cells, L processes of one side

Draw = Callable[[Generator, int, int], np.ndarray]
"""(generator, cells, processes) -> log errors [C, 2, L] of both sides."""


def normal(sd: float) -> Draw:
    """Normal noise."""
    return lambda generator, cells, processes: generator.normal(0, sd, (cells, 2, processes))


def unequal(low: float, high: float) -> Draw:
    """Normal noise whose standard deviation differs between cells, log-uniformly."""

    def draw(generator: Generator, cells: int, processes: int) -> np.ndarray:
        sd_C11 = np.exp(generator.uniform(np.log(low), np.log(high), (cells, 1, 1)))
        return sd_C11 * generator.normal(size=(cells, 2, processes))

    return draw


def heavy_tail(sd: float) -> Draw:
    """Student's t with three degrees of freedom, scaled to the standard deviation."""
    return lambda generator, cells, processes: sd / 3**0.5 * generator.standard_t(3, (cells, 2, processes))


def stragglers(sd: float, share: float, slower: float) -> Draw:
    """Normal noise, and a share of much slower processes: other work on the machine, or a bad memory layout."""

    def draw(generator: Generator, cells: int, processes: int) -> np.ndarray:
        slow = generator.random((cells, 2, processes)) < share
        return generator.normal(0, sd, slow.shape) + slow * np.log1p(slower)

    return draw


def skewed(sd: float) -> Draw:
    """Exponential noise: never faster than the best, sometimes much slower."""
    return lambda generator, cells, processes: generator.exponential(sd, (cells, 2, processes))


def two_modes(sd: float, apart: float) -> Draw:
    """Processes of two kinds, as with an autotuner that alternates between two kernels."""

    def draw(generator: Generator, cells: int, processes: int) -> np.ndarray:
        mode = generator.random((cells, 2, processes)) < 0.5
        return generator.normal(0, sd, mode.shape) + mode * np.log1p(apart)

    return draw


def drift(sd: float, total: float, *, interleaved: bool) -> Draw:
    """A machine that slows down by `total` in all: measured A B B A, or all of A and then all of B."""

    def draw(generator: Generator, cells: int, processes: int) -> np.ndarray:
        order = ([0, 1, 1, 0] * processes)[: 2 * processes] if interleaved else [0] * processes + [1] * processes
        time = np.linspace(0, total, 2 * processes)
        by_side_2L = np.array([time[np.array(order) == side] for side in (0, 1)])
        return by_side_2L + generator.normal(0, sd, (cells, 2, processes))

    return draw


NOISES: dict[str, Draw] = {
    "normal, 0.5 %": normal(0.005),
    "normal, 1 %": normal(0.01),
    "normal, 2 %": normal(0.02),
    "each cell its own, 0.2 to 2 %": unequal(0.002, 0.02),
    "heavy tail (t, 3 degrees), 1 %": heavy_tail(0.01),
    "skewed (exponential), 1 %": skewed(0.01),
    "stragglers: 5 % of processes 10 % slower": stragglers(0.005, 0.05, 0.1),
    "two modes, 4 % apart": two_modes(0.003, 0.04),
    "drift of 2 %, A B B A": drift(0.005, 0.02, interleaved=True),
    "drift of 2 %, A then B": drift(0.005, 0.02, interleaved=False),
}

KNOWN_SD = {"normal, 0.5 %": 0.005, "normal, 1 %": 0.01, "normal, 2 %": 0.02}
"""Noises that a calibration describes by one number."""
