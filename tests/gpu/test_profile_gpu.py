"""Profiles on a GPU: nothing is lost between components, and looking does not change what is seen."""

import tempfile
from pathlib import Path

import pytest
import torch

from dig_bench.cell import Cell, Mode
from dig_bench.machine import roofline
from dig_bench.measure.nvml import open_gpu
from dig_bench.profile.record import Profile
from dig_bench.profile.take import take
from dig_bench.protocol import Protocol

pytestmark = pytest.mark.gpu

MODELS = ("DiG-S/2@fused", "DiG-S/2@chunked", "DiT-S/2@math", "DiT-S/2@cudnn", "DiT-S/2@fused", "U-DiG-S/2@fused")


def profile_of(name: str, mode: Mode, resolution_px: int = 512) -> Profile:
    model, _, backend = name.partition("@")
    cell = Cell(model=model, backend=backend, resolution_px=resolution_px, mode=mode, precision="bf16", device="cuda")
    # Not those that other programs take: tests may share the GPU.
    known = roofline.load_or_measure("cuda", path=Path(tempfile.gettempdir()) / "dig-bench-test-roofline.json")
    return take(cell, Protocol(), known, lambda text: None).profile


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("mode", ["forward", "train"])
def test_components_add_up_to_the_device_time_and_name_nearly_all_of_it(name: str, mode: Mode) -> None:
    found = profile_of(name, mode)
    assert sum(each.total_ms for each in found.components) == pytest.approx(found.device_ms, rel=1e-6)
    nameless = {"unlinked_kernels", "outside_modules"} & found.by_component.keys()
    assert sum(found.by_component[each].total_ms for each in nameless) <= 0.03 * found.device_ms
    graph = next(each for each in found.gaps if each.execution == "graph")
    assert graph.busy_ms <= 1.02 * graph.latency_ms
    torch.cuda.empty_cache()


def test_the_profiled_device_time_is_the_unprofiled() -> None:
    found = profile_of("DiG-S/2@fused", "forward", resolution_px=2048)
    # From 2 % on the profile itself says so; single ones come near it.
    assert abs(found.disagreement) <= 0.04


def test_a_graph_has_its_energy_where_the_gpu_has_a_counter() -> None:
    gpu = open_gpu()
    if gpu is None or gpu.energy_mj is None:
        pytest.skip("no energy counter")
    graph = next(each for each in profile_of("DiG-S/2@fused", "forward").gaps if each.execution == "graph")
    assert graph.joules is not None
    assert graph.power_w is not None
    assert 0 < graph.power_w < 1.1 * (gpu.power_limit_w or 1500)
    # Power is that of steps one after the other, which leave the device no longer idle than those that were timed.
    assert graph.joules == pytest.approx(graph.power_w * graph.latency_ms / 1e3, rel=0.3)
