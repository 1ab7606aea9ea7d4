"""Profiles on a GPU: nothing is lost between components, and looking does not change what is seen."""

import tempfile
from pathlib import Path

import pytest
import torch

from dig_bench.cell import Cell, Mode
from dig_bench.machine import roofline
from dig_bench.measure.nvml import open_gpu
from dig_bench.profile import roofline as bounds
from dig_bench.profile.record import Gaps, Profile
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


def graph_of(profile: Profile) -> Gaps:
    return next(each for each in profile.gaps if each.execution == "graph")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("mode", ["forward", "train"])
def test_components_add_up_to_the_device_time_and_name_nearly_all_of_it(name: str, mode: Mode) -> None:
    found = profile_of(name, mode)
    assert sum(each.total_ms for each in found.components) == pytest.approx(found.device_ms, rel=1e-6)
    nameless = {"unlinked_kernels", "outside_modules"} & found.by_component.keys()
    assert sum(found.by_component[each].total_ms for each in nameless) <= 0.03 * found.device_ms
    graph = graph_of(found)
    assert graph.busy_ms <= 1.02 * graph.latency_ms
    assert all((point.share_of_roofline or 0.0) <= 1 for point in bounds.points(found))
    torch.cuda.empty_cache()


def test_the_profiled_device_time_is_the_unprofiled() -> None:
    found = profile_of("DiG-S/2@fused", "forward", resolution_px=2048)
    # From 2 % on the profile itself says so; single ones come near it.
    assert abs(found.disagreement) <= 0.04


def test_a_graph_has_its_energy_where_the_gpu_has_a_counter() -> None:
    gpu = open_gpu()
    if gpu is None or gpu.energy_mj is None:
        pytest.skip("no energy counter")
    graph = graph_of(profile_of("DiG-S/2@fused", "forward"))
    assert graph.joules is not None
    assert graph.power_w is not None
    assert 0 < graph.power_w < 1.1 * (gpu.power_limit_w or 1500)
    # Both passes run steps back to back.
    assert graph.joules == pytest.approx(graph.power_w * graph.latency_ms / 1e3, rel=0.05)


@pytest.mark.parametrize("resolution_px", [512, 2048])
def test_kernels_and_gaps_of_a_traced_graph_are_its_step_and_nearly_that_of_an_untraced_one(resolution_px: int) -> None:
    graph = graph_of(profile_of("DiG-S/2@fused", "forward", resolution_px))
    assert graph.traced_ms is not None
    assert graph.gap_ms is not None
    # Kernels overlap little: DiG runs on one stream.
    assert graph.busy_ms + graph.gap_ms == pytest.approx(graph.traced_ms, rel=0.01)
    assert graph.traced_ms == pytest.approx(graph.latency_ms, rel=0.1)


def test_gaps_of_small_kernels_in_a_graph_are_those_of_the_roofline() -> None:
    """The roofline's launch latency is the time between two starts: a kernel and a gap."""
    found = profile_of("DiG-S/2@fused", "forward", 256)
    assert found.roofline is not None
    assert 0.1 < (graph_of(found).gap_us_per_launch or 0.0) < 3 * found.roofline.kernel_launch_us["graph"].median


def test_the_trace_of_a_power_capped_step_is_in_its_steady_state() -> None:
    """Large GEMMs: at a higher clock, after a pause, they take 5 to 15 % less time."""
    found = profile_of("DiT-XL/2@cudnn", "forward", 1024)
    graph = graph_of(found)
    if not graph.is_power_capped:
        pytest.skip("not at the power limit")
    assert abs(graph.trace_excess or 1.0) <= 0.03
    assert abs(found.disagreement) <= 0.04
    assert not [note for note in found.notes if "drift" in note]
