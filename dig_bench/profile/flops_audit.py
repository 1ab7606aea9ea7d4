"""Audits a network's exact FLOPs by component against PyTorch's FLOP counter and against the paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from dig_bench import paper
from dig_bench.profile.components import CORE, MLP, component_of
from dig_bench.profile.ranges import SCOPE, ranges
from dig_models import CATALOG, Backbone, build

PUBLISHED_PX = 256
"""Resolution of the complexities in the papers."""

MAX_STEPS = 12000
"""Most tokens times blocks for which a reference that loops over them runs under the counter: more take minutes."""

TOLERANCE = 0.01
"""Largest relative difference that needs no explanation."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Parts that a published complexity seems to leave out."""

    gmacs: Mapping[str, float]
    """Part -> GMAC per image."""
    rest_gmacs: float
    """Exact GMAC per image without these parts."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """FLOPs of one forward pass, two per multiply-accumulate; elementwise work does not count."""

    model: str
    resolution_px: int
    batch_size: int
    exact: Mapping[str, int]
    """Component -> FLOPs."""
    counted: Mapping[str, int] | None
    """Component -> FLOPs that torch.utils.flop_counter sees in the reference backend; None if it was not run."""
    not_counted: str
    """Reason why the counter was not run."""
    published_gmacs: float | None
    """Complexity in the paper, per image at 256 px."""
    source: str

    @property
    def gmacs(self) -> float:
        """10^9 multiply-accumulates per image."""
        return sum(self.exact.values()) / 2e9 / self.batch_size

    @property
    def excess(self) -> float | None:
        """Relative difference of the exact complexity from the published one."""
        return None if self.published_gmacs is None else self.gmacs / self.published_gmacs - 1

    @property
    def unseen(self) -> list[str]:
        """Components whose FLOPs the counter does not see."""
        if self.counted is None:
            return []
        found = {name: self.counted.get(name, 0) for name in self.exact}
        return [name for name, flops in self.exact.items() if abs(flops - found[name]) > TOLERANCE * flops]

    @property
    def left_out(self) -> LeftOut | None:
        """The parts without which the exact complexity equals the published one; None if no parts explain it."""
        if self.published_gmacs is None:
            return None
        # The SwiGLU has three matrices of equal size.
        parts = {"the recurrence": self.exact.get(CORE, 0), "the SwiGLU's down-projection": self.exact.get(MLP, 0) / 3}
        gmacs = {name: flops / 2e9 / self.batch_size for name, flops in parts.items()}
        subsets = [
            LeftOut(
                gmacs={name: gmacs[name] for name in names}, rest_gmacs=self.gmacs - sum(gmacs[name] for name in names)
            )
            for size in (1, 2)
            for names in combinations(gmacs, size)
        ]
        published = self.published_gmacs
        nearest = min(subsets, key=lambda each: abs(each.rest_gmacs - published))
        return nearest if abs(nearest.rest_gmacs / published - 1) <= TOLERANCE else None


def audit(model: str, *, resolution_px: int, batch_size: int = 1) -> Audit:
    """Audits a model without allocating memory. Raises ValueError for a resolution that the model does not take."""
    backend = CATALOG[model].architecture.reference_backend
    network = build(model, image_size=resolution_px, backend=backend, device="meta")
    steps = network.num_tokens * network.config.depth if backend == "reference" else 0
    loops = steps > MAX_STEPS
    not_counted = f"the reference loops over {network.num_tokens} tokens in every block" if loops else ""
    counted: dict[str, int] | None = None
    if not loops:
        try:
            counted = count(network, batch_size)
        except NotImplementedError as error:
            not_counted = str(error).split("\n")[0]
    published = {each["model"]: each for each in paper.complexity().to_dict("records")}
    known = published.get(model, {}) if resolution_px == PUBLISHED_PX else {}
    return Audit(
        model=model,
        resolution_px=resolution_px,
        batch_size=batch_size,
        exact=network.flops(batch_size).by_component,
        counted=counted,
        not_counted=not_counted,
        published_gmacs=known.get("gmacs"),
        source=known.get("source", ""),
    )


def count(network: Backbone, batch_size: int) -> dict[str, int]:
    """Returns component -> FLOPs of a forward pass that torch.utils.flop_counter sees."""
    device = next(network.parameters()).device
    config = network.config
    latent_BCHW = torch.randn(batch_size, config.in_channels, config.latent_size, config.latent_size, device=device)
    zeros_B = torch.zeros(batch_size, dtype=torch.long, device=device)
    found: Counter[str] = Counter()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        inner: list[Counter[str]] = []

        @contextmanager
        def scope(name: str) -> Iterator[Any]:
            before = _by_operator(counter)
            inner.append(Counter())
            yield
            total = _by_operator(counter) - before
            for operator, flops in (total - inner.pop()).items():
                found[component_of(name.removeprefix(SCOPE), operator)] += flops
            if inner:
                inner[-1] += total

        with ranges(network, also=scope):
            network(latent_BCHW, zeros_B, zeros_B)
    return dict(found)


def _by_operator(counter: FlopCounterMode) -> Counter[str]:
    """Returns `aten::mm` -> FLOPs so far."""
    counts = counter.get_flop_counts().get("Global", {})
    return Counter({str(operator).replace(".", "::"): flops for operator, flops in counts.items()})
