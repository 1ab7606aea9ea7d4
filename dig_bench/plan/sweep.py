"""Sweep: the cells to measure and the protocol, made from a preset and the user's changes to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dig_bench.cell import Cell
from dig_bench.machine.environment import machine_name
from dig_bench.plan.filter import parse_filter
from dig_bench.plan.presets import default_preset, get_preset
from dig_bench.protocol import SAMPLING_FIELDS, Protocol


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Cells, and how they are measured."""

    name: str
    """Name of the preset; it ends in a digest of the cells if they are not the preset's."""
    cells: tuple[Cell, ...]
    protocol: Protocol
    plugins: tuple[str, ...] = ()

    def spec(self) -> dict[str, Any]:
        """Returns what identifies the sweep, flat and ready for JSON. Sweeps with different specs share no folder."""
        axes = ("resolution_px", "batch_size", "mode", "precision", "execution", "device", "process")
        return {
            "sweep": self.name,
            "models": _values(cell.name for cell in self.cells),
            **{axis: _values(getattr(cell, axis) for cell in self.cells) for axis in axes},
            # Two sets of cells can have the same values on every axis.
            "which_cells": digest(self.cells),
            **{f"protocol.{name}": value for name, value in asdict(self.protocol).items() if self._bears_on(name)},
            "plugins": [f"{Path(file).name} {_sha(Path(file).read_bytes())}" for file in self.plugins],
        }

    def _bears_on(self, protocol_field: str) -> bool:
        """Leaves the sampler out of the spec of a sweep without samples."""
        return protocol_field not in SAMPLING_FIELDS or any(cell.mode == "sample" for cell in self.cells)

    @property
    def device(self) -> str:
        """The device type, the same for all cells."""
        return self.cells[0].device


def make(
    *,
    device: str,
    preset: str | None = None,
    axes: Mapping[str, Any] | None = None,
    only: str | None = None,
    processes: int = 1,
    protocol: Mapping[str, Any] | None = None,
    plugins: Sequence[str] = (),
) -> Sweep:
    """Makes a sweep of a preset, or of the device's default one; `axes` and `protocol` replace the preset's fields.

    A sweep that names no preset and changes the cells of the default one takes the default protocol, not the preset's.
    Raises ValueError, in one line, for a sweep that cannot be measured.
    """
    if processes < 1:
        raise ValueError(f"--processes takes a whole number from 1, not {processes}")
    base_name = preset or default_preset(device)
    base = get_preset(base_name, device)
    cells = in_order(
        cell
        for product in base.axes[device]
        for cell in replace(product, **(axes or {})).cells(device, processes=processes)
    )
    if only is not None:
        cells = tuple(filter(parse_filter(only), cells))
        if not cells:
            raise ValueError(f"--only {only!r} leaves no cell")
    given = {name: value for name, value in (protocol or {}).items() if value is not None}
    changed = bool(axes) or only is not None or processes > 1
    preset_protocol = base.protocol if preset or not changed else {}
    return Sweep(
        name=f"{preset or 'sweep'}-{digest(cells)}" if changed else base_name,
        cells=cells,
        protocol=replace(Protocol(), **{**preset_protocol, **given}),
        plugins=tuple(plugins),
    )


def digest(cells: Iterable[Cell]) -> str:
    """Returns eight hexadecimal digits that identify a set of cells, in any order."""
    return _sha("\n".join(sorted(map(_identity, cells))).encode())


def _identity(cell: Cell) -> str:
    # Stored in manifests and folder names: it stays as it is when labels change.
    process = f" process {cell.process}" if cell.process > 1 else ""
    return (
        f"{cell.name} {cell.resolution_px}px b{cell.batch_size} "
        f"{cell.mode} {cell.precision} {cell.execution} {cell.device}{process}"
    )


def default_folder(sweep: Sweep, environment: Mapping[str, Any]) -> Path:
    """Returns `results/h100-80gb-hbm3/quick`."""
    return Path("results") / machine_name(environment) / sweep.name


def in_order(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """Sorts cells by process, worker and resolution: each worker starts once, small cells first. Drops duplicates."""
    unique = list(dict.fromkeys(cells))
    workers = {worker: index for index, worker in enumerate(dict.fromkeys(cell.worker for cell in unique))}
    return tuple(sorted(unique, key=lambda cell: (cell.process, workers[cell.worker], cell.resolution_px)))


def _values(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
