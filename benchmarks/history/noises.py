"""Noises between the entries of a history to simulate, for the program change_points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

# S series, N entries, P processes of an entry

Array = NDArray[np.float64]

PROCESSES = 3

Draw = Callable[[Generator, int, int], Array]
"""(generator, series, entries) -> log errors [S, N, P]."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """A noise of entries, and whether the documentation promises 1 % of false alarms for it."""

    name: str
    draw: Draw
    is_promised: bool = True


def _with_processes(entry_SN: Array, sd: float, generator: Generator) -> Array:
    """Adds normal noise of processes of half the entries' standard deviation."""
    return entry_SN[:, :, None] + generator.normal(0, sd / 2, (*entry_SN.shape, PROCESSES))


def normal(sd: float) -> Draw:
    """Normal noise of entries."""
    return lambda generator, series, entries: _with_processes(generator.normal(0, sd, (series, entries)), sd, generator)


def unequal(low: float, high: float) -> Draw:
    """Normal noise whose standard deviation differs between series, log-uniformly."""

    def draw(generator: Generator, series: int, entries: int) -> Array:
        sd_S11 = np.exp(generator.uniform(np.log(low), np.log(high), (series, 1, 1)))
        return sd_S11 * normal(1.0)(generator, series, entries)

    return draw


def heavy_tail(sd: float) -> Draw:
    """Student's t with three degrees of freedom, of that standard deviation, between entries and between processes."""

    def draw(generator: Generator, series: int, entries: int) -> Array:
        entry_SN1 = generator.standard_t(3, (series, entries, 1))
        return sd / 3**0.5 * (entry_SN1 + generator.standard_t(3, (series, entries, PROCESSES)) / 2)

    return draw


def skewed(sd: float) -> Draw:
    """Exponential noise: never faster than the best, sometimes much slower."""
    return lambda generator, series, entries: _with_processes(
        generator.exponential(sd, (series, entries)), sd, generator
    )


def outliers(sd: float, share: float, slower: float) -> Draw:
    """Normal noise, and a share of entries that are much slower."""

    def draw(generator: Generator, series: int, entries: int) -> Array:
        slow_SN1 = generator.random((series, entries, 1)) < share
        return normal(sd)(generator, series, entries) + slow_SN1 * np.log1p(slower)

    return draw


def two_modes(sd: float, apart: float, *, of_entries: bool) -> Draw:
    """Normal noise, and two equally frequent modes: of whole entries, or of single processes."""

    def draw(generator: Generator, series: int, entries: int) -> Array:
        mode = generator.random((series, entries, 1 if of_entries else PROCESSES)) < 0.5
        return normal(sd)(generator, series, entries) + mode * np.log1p(apart)

    return draw


def autoregressive(sd: float, rho: float) -> Draw:
    """AR(1) between entries: each resembles the one before it."""

    def draw(generator: Generator, series: int, entries: int) -> Array:
        entry_SN = generator.normal(0, sd, (series, entries))
        for place in range(1, entries):
            entry_SN[:, place] = rho * entry_SN[:, place - 1] + (1 - rho * rho) ** 0.5 * entry_SN[:, place]
        return _with_processes(entry_SN, sd, generator)

    return draw


def shared(draw: Draw, own: float) -> Draw:
    """The same noise in all series, as of one machine's days, and a little normal noise of their own."""

    def both(generator: Generator, series: int, entries: int) -> Array:
        return draw(generator, 1, entries) + normal(own)(generator, series, entries)

    return both


def _at(sd: float) -> list[Noise]:
    percent = f"{100 * sd:g} %"
    return [
        Noise(name=f"normal, {percent}", draw=normal(sd)),
        Noise(name=f"heavy tails (t, 3 degrees), {percent}", draw=heavy_tail(sd)),
        Noise(name=f"entries of two modes, 4 % apart, and {percent}", draw=two_modes(sd, 0.04, of_entries=True)),
        Noise(name=f"processes of two modes, 4 % apart, and {percent}", draw=two_modes(sd, 0.04, of_entries=False)),
        Noise(name=f"AR(0.5), {percent}", draw=autoregressive(sd, 0.5)),
        Noise(name=f"AR(0.8), {percent}", draw=autoregressive(sd, 0.8)),
    ]


NOISES = [
    *_at(0.005),
    *_at(0.02),
    Noise(name="normal, each series its own, 0.4 to 4 %", draw=unequal(0.004, 0.04)),
    Noise(name="heavy tails, 2 %, shared by all series", draw=shared(heavy_tail(0.02), 0.005)),
    Noise(name="AR(0.8), 2 %, shared by all series", draw=shared(autoregressive(0.02, 0.8), 0.005)),
    Noise(name="skewed (exponential), 2 %", draw=skewed(0.02)),
    Noise(name="heavy tails (t, 3 degrees), 5 %", draw=heavy_tail(0.05), is_promised=False),
    Noise(name="AR(0.8), 5 %", draw=autoregressive(0.05, 0.8), is_promised=False),
    Noise(name="10 % of entries 20 % slower, and 0.5 %", draw=outliers(0.005, 0.1, 0.2), is_promised=False),
    Noise(
        name="entries of two modes, 10 % apart, and 0.5 %",
        draw=two_modes(0.005, 0.1, of_entries=True),
        is_promised=False,
    ),
]
