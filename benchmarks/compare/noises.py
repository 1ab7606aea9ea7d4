"""Noises between processes to simulate, for the program decision_rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

# C cells, L processes of one side

Machine = Callable[[int], np.ndarray]
"""processes -> log errors [C, 2, L] of both sides. The properties of its cells stay the same from call to call."""

Noise = Callable[[Generator, int], Machine]
"""(generator, cells) -> a machine of this kind."""


def normal(sd: float) -> Noise:
    """Normal noise."""
    return lambda generator, cells: lambda processes: generator.normal(0, sd, (cells, 2, processes))


def unequal(low: float, high: float) -> Noise:
    """Normal noise whose standard deviation differs between cells, log-uniformly."""

    def machine(generator: Generator, cells: int) -> Machine:
        sd_C11 = np.exp(generator.uniform(np.log(low), np.log(high), (cells, 1, 1)))
        return lambda processes: sd_C11 * generator.normal(size=(cells, 2, processes))

    return machine


def heavy_tail(sd: float) -> Noise:
    """Student's t with three degrees of freedom, scaled to the standard deviation."""
    return lambda generator, cells: lambda processes: sd / 3**0.5 * generator.standard_t(3, (cells, 2, processes))


def stragglers(sd: float, share: float, slower: float) -> Noise:
    """Normal noise, and a share of much slower processes: other work on the machine, or a bad memory layout."""

    def machine(generator: Generator, cells: int) -> Machine:
        def draw(processes: int) -> np.ndarray:
            slow = generator.random((cells, 2, processes)) < share
            return generator.normal(0, sd, slow.shape) + slow * np.log1p(slower)

        return draw

    return machine


def skewed(sd: float) -> Noise:
    """Exponential noise: never faster than the best, sometimes much slower."""
    return lambda generator, cells: lambda processes: generator.exponential(sd, (cells, 2, processes))


def two_modes(sd: float, apart: float, *, cells_with_modes: int | None = None, together: bool = False) -> Noise:
    """Processes of two kinds, as with an autotuner that alternates between two kernels.

    In all cells, or in the first `cells_with_modes`. With `together`, a process is in the same mode in all cells.
    """

    def machine(generator: Generator, cells: int) -> Machine:
        has_modes_C11 = (np.arange(cells) < (cells if cells_with_modes is None else cells_with_modes))[:, None, None]

        def draw(processes: int) -> np.ndarray:
            mode = generator.random((1 if together else cells, 2, processes)) < 0.5
            return generator.normal(0, sd, (cells, 2, processes)) + (mode & has_modes_C11) * np.log1p(apart)

        return draw

    return machine


def drift(sd: float, total: float, *, interleaved: bool, sudden: bool = False) -> Noise:
    """A machine that slows down by `total` in all: measured A B B A, or all of A and then all of B.

    Slows down steadily, or with `sudden` all at once at a random time.
    """

    def machine(generator: Generator, cells: int) -> Machine:
        def draw(processes: int) -> np.ndarray:
            order = ([0, 1, 1, 0] * processes)[: 2 * processes] if interleaved else [0] * processes + [1] * processes
            time = np.linspace(0, 1, 2 * processes)
            slower = total * (time > generator.random() if sudden else time)
            by_side_2L = np.array([slower[np.array(order) == side] for side in (0, 1)])
            return by_side_2L + generator.normal(0, sd, (cells, 2, processes))

        return draw

    return machine


TWO_MODES: dict[str, Noise] = {
    "two modes, 2 % apart (the threshold)": two_modes(0.003, 0.02),
    "two modes, 4 % apart": two_modes(0.003, 0.04),
    "two modes, 10 % apart": two_modes(0.002, 0.1),
    "two modes, 10 % apart, in half of the cells": two_modes(0.002, 0.1, cells_with_modes=6),
    "two modes, 10 % apart, in one cell": two_modes(0.002, 0.1, cells_with_modes=1),
    "two modes, 10 % apart, of the whole process": two_modes(0.002, 0.1, together=True),
}

DRIFTS: dict[str, Noise] = {
    "drift of 2 %, A B B A": drift(0.005, 0.02, interleaved=True),
    "drift of 10 %, A B B A": drift(0.005, 0.1, interleaved=True),
    "sudden slow-down by 5 %, A B B A": drift(0.005, 0.05, interleaved=True, sudden=True),
}

NOISES: dict[str, Noise] = {
    "normal, 0.5 %": normal(0.005),
    "normal, 1 %": normal(0.01),
    "normal, 2 %": normal(0.02),
    "each cell its own, 0.2 to 2 %": unequal(0.002, 0.02),
    "heavy tail (t, 3 degrees), 1 %": heavy_tail(0.01),
    "skewed (exponential), 1 %": skewed(0.01),
    "stragglers: 5 % of processes 10 % slower": stragglers(0.005, 0.05, 0.1),
    "stragglers: 30 % of processes 10 % slower": stragglers(0.005, 0.3, 0.1),
    **TWO_MODES,
    **DRIFTS,
}
"""Noises under which the sides of identical code have the same distribution."""

ONE_AFTER_THE_OTHER: dict[str, Noise] = {
    f"drift of {percent} %, A then B": drift(0.005, percent / 100, interleaved=False) for percent in (2, 10)
}
"""A machine that changes between the sides: a difference that no statistics can tell from one of the code."""

KNOWN_SD = {"normal, 0.5 %": 0.005, "normal, 1 %": 0.01, "normal, 2 %": 0.02}
"""Noises that a calibration describes by one number."""
