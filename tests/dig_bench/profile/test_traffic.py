"""Bytes that a call reads and writes, and those that may stay in a cache."""

import torch
from torch import nn

from dig_bench.cell import Cell
from dig_bench.profile import sums
from dig_bench.profile.attribution import Work
from dig_bench.profile.components import OPTIMIZER, PROJECTIONS
from dig_bench.profile.traffic import Moved, Traffic
from dig_models import DiG, DiGConfig


def test_views_of_parameters_are_weights_and_tensors_in_lists_count() -> None:
    network = nn.Linear(4, 2)
    traffic = Traffic(network)
    inputs, output = torch.zeros(3, 4), torch.zeros(3, 2)
    traffic.add("blocks.0", [inputs, [network.weight[:1], network.bias], (output, None, 7)])
    assert traffic.calls == [Moved(scope="blocks.0", weight_bytes=4 * (4 + 2), other_bytes=4 * (12 + 6))]


def test_a_call_whose_bytes_fit_may_find_all_but_the_weights_in_the_cache() -> None:
    call = Moved(scope="", weight_bytes=40, other_bytes=60)
    assert call.cached_bytes(100, network_bytes=1000) == 60
    assert call.cached_bytes(99, network_bytes=1000) == 0
    assert call.cached_bytes(1000, network_bytes=1000) == 100


def test_components_have_their_cached_bytes_in_all_phases() -> None:
    sizes = {"latent_size": 4, "patch_size": 2, "width": 64, "depth": 2, "num_heads": 1, "num_classes": 10}
    model = DiG(DiGConfig(**sizes), backend="chunked")
    weights = sum(each.numel() * each.element_size() for each in model.parameters())
    call = Moved(scope="blocks.0.attn.q_proj", weight_bytes=40, other_bytes=60)
    update = Work(scope="", component=OPTIMIZER, phase="optimizer", name="adamw", ms=1.0, calls=1)

    def of(cache_bytes: int | None, mode: str = "train") -> dict[str, tuple[float, float | None]]:
        cell = Cell(model="DiG-S/2", backend="chunked", resolution_px=64, mode=mode)  # type: ignore[arg-type]
        found = sums.components(
            [update], 1, model=model, cell=cell, traffic=[call, call], total_ms=0.0, cache_bytes=cache_bytes
        )
        return {each.component: (each.least_bytes, each.cached_bytes) for each in found}

    assert of(None, "forward")[PROJECTIONS] == (200, None)
    assert of(100, "forward")[PROJECTIONS] == (200, 120)
    assert of(100)[PROJECTIONS] == (600, 360)
    assert of(4 * weights - 1)[OPTIMIZER] == (7 * weights, 0)
    assert of(4 * weights)[OPTIMIZER] == (7 * weights, 7 * weights)
    assert of(4 * weights)[PROJECTIONS] == (600, 600)
