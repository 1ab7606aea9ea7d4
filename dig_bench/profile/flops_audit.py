"""A network's exact FLOPs by component, beside what PyTorch's counter sees of them and beside what its paper states."""

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
"""What the papers' complexities are for."""

MAX_STEPS = 12000
"""Tokens times blocks up to which a reference that loops over them is run for the counter: more take minutes."""

TOLERANCE = 0.01
"""The share above which a difference wants an explanation."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Of one forward pass. FLOPs count two for a multiply-accumulate; elementwise work is not counted."""

    model: str
    resolution_px: int
    batch_size: int
    exact: Mapping[str, int]
    """Component -> FLOPs."""
    counted: Mapping[str, int] | None
    """The same by torch.utils.flop_counter, of the reference backend; None where it was not run."""
    not_counted: str
    """Why the counter was not run."""
    published_gmacs: float | None
    """A paper's figure for one image, at 256 px."""
    source: str

    @property
    def gmacs(self) -> float:
        """10^9 multiply-accumulates of one image."""
        return sum(self.exact.values()) / 2e9 / self.batch_size

    @property
    def of_published(self) -> float | None:
        """Exact over published, less one."""
        return None if self.published_gmacs is None else self.gmacs / self.published_gmacs - 1

    def explanations(self) -> Iterator[str]:
        """Of every difference above TOLERANCE, in words with figures."""
        if self.counted is not None:
            for component, flops in self.exact.items():
                seen = self.counted.get(component, 0)
                if abs(flops - seen) > TOLERANCE * flops:
                    yield (
                        f"{component}: the counter sees {seen / 1e9:.4g} of {flops / 1e9:.4g} GFLOP, since it knows "
                        "matrix products, convolutions and attention, and this is none of them in the reference"
                    )
        if self.published_gmacs is not None and abs(self.of_published or 0.0) > TOLERANCE:
            yield self._of_published(self.published_gmacs)

    def _of_published(self, published_gmacs: float) -> str:
        parts = {
            "the recurrence": self.exact.get(CORE, 0),
            # Of SwiGLU's three matrices of equal size.
            "the SwiGLU's down-projection": self.exact.get(MLP, 0) / 3,
        }
        gmacs = {name: flops / 2e9 / self.batch_size for name, flops in parts.items()}
        subsets = [left_out for size in (1, 2) for left_out in combinations(gmacs, size)]
        rest = {left_out: self.gmacs - sum(gmacs[name] for name in left_out) for left_out in subsets}
        nearest = min(subsets, key=lambda left_out: abs(rest[left_out] - published_gmacs))
        if abs(rest[nearest] / published_gmacs - 1) <= TOLERANCE:
            named = " and ".join(f"{name} ({gmacs[name]:.4g})" for name in nearest)
            return (
                f"published {published_gmacs:.4g} GMAC: the exact {self.gmacs:.4g} without {named} are "
                f"{rest[nearest]:.4g}, {100 * (rest[nearest] / published_gmacs - 1):+.2f} % of it; "
                "the published figure is consistent with leaving that out"
            )
        return (
            f"published {published_gmacs:.4g} GMAC, exact {self.gmacs:.4g}: "
            f"{100 * (self.gmacs / published_gmacs - 1):+.1f} %, which leaving out a component does not explain"
        )


def audit(model: str, *, resolution_px: int, batch_size: int = 1) -> Audit:
    """ValueError for a size that the model does not take. Nothing is allocated."""
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
    """What torch.utils.flop_counter sees of a forward pass, by component."""
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
    """`aten::mm` -> FLOPs so far."""
    counts = counter.get_flop_counts().get("Global", {})
    return Counter({str(operator).replace(".", "::"): flops for operator, flops in counts.items()})
