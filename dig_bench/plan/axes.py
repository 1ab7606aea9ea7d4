"""Axes of a sweep, the models that a pattern such as `DiG-*/2@fla` selects, and the cells that the axes span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product

from dig_bench.cell import Cell, Execution, Mode, Precision
from dig_bench.plan.suggest import suggest


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Axes whose product is a set of cells. `models` are patterns as on the command line: `DiT-S/2@flash2`."""

    models: tuple[str, ...]
    resolutions_px: tuple[int, ...]
    batch_sizes: tuple[int, ...] = (1,)
    modes: tuple[Mode, ...] = ("forward",)
    precisions: tuple[Precision, ...] = ("fp32",)
    executions: tuple[Execution, ...] = ("eager",)

    def cells(self, device: str, *, processes: int = 1) -> Iterator[Cell]:
        """Yields the cells, process by process.

        Raises ValueError for unknown models and backends, and for resolutions that a model does not take.
        """
        from dig_models import config_for

        for process in range(1, processes + 1):
            for model, backend in select_models(self.models, device):
                for resolution_px in self.resolutions_px:
                    config_for(model, resolution_px)
                    for batch_size, mode, precision, execution in product(
                        self.batch_sizes, self.modes, self.precisions, self.executions
                    ):
                        yield Cell(
                            model=model,
                            backend=backend,
                            resolution_px=resolution_px,
                            batch_size=batch_size,
                            mode=mode,
                            precision=precision,
                            execution=execution,
                            device=device,
                            process=process,
                        )


def select_models(patterns: Iterable[str], device: str) -> list[tuple[str, str]]:
    """Expands `DiG-S/2`, `DiT-S/2@flash2`, `DiG-*/2`, `*@fla`, `DiT-S/2@*` to pairs (model, backend), each once.

    A model without an @ takes its default backend on the device type. A glob skips models that lack the backend. Raises
    ValueError, with the nearest name, for a pattern that matches nothing.
    """
    return list(dict.fromkeys(pair for pattern in patterns for pair in _matches(pattern, device)))


def _matches(pattern: str, device: str) -> list[tuple[str, str]]:
    from dig_models import CATALOG, default_backend

    name, at, backend = pattern.partition("@")
    models = [model for model in CATALOG if fnmatchcase(model, name)]
    if not models:
        raise ValueError(f"no model {suggest(name, CATALOG)}: `dig-bench list` shows all")
    if not at:
        return [(model, default_backend(model, device)) for model in models]
    backends = {model: CATALOG[model].architecture.backends for model in models}
    pairs = [(model, each) for model in models for each in backends[model] if fnmatchcase(each, backend)]
    if not pairs:
        choices = dict.fromkeys(each for model in models for each in backends[model])
        raise ValueError(f"{name} has no backend {suggest(backend, choices)}")
    return pairs
