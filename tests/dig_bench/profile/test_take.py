"""Profiles taken for real, on the CPU: nothing is lost between components, whoever wrote the backbone."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from dig_bench.cell import Cell, Mode
from dig_bench.plan import plugins
from dig_bench.profile import take
from dig_bench.profile.components import (
    CONDITIONING,
    CORE,
    FINAL,
    GRADIENTS,
    MLP,
    NORM,
    OPTIMIZER,
    PATCHIFY,
    PROJECTIONS,
    RESIDUAL,
    SKIP,
    SREM,
)
from dig_bench.profile.record import Profile
from dig_bench.protocol import Protocol
from dig_bench.run.task import TaskError
from profile_tasks import QUICK
from profiles import ROOFLINE

EXAMPLE = Path(__file__).parents[3] / "examples" / "my_backbone.py"
TINY = Path(__file__).parents[2] / "support" / "tiny_backbones.py"
EVERY_NETWORK = {PATCHIFY, CONDITIONING, NORM, MLP, FINAL}
CELL = Cell(model="DiG-Tiny/4", backend="chunked", resolution_px=64)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take, "STEPS", 2)
    plugins.load([TINY, EXAMPLE])


@cache
def profile_of(cell: Cell) -> Profile:
    return take.take(cell, Protocol(**QUICK, check_grid=2), ROOFLINE, lambda text: None).profile


@pytest.mark.parametrize(
    ("name", "mode", "components"),
    [
        ("DiG-Tiny/4@chunked", "train", {CORE, PROJECTIONS, SREM, RESIDUAL}),
        ("DiT-Tiny/4@math", "train", {CORE, PROJECTIONS, RESIDUAL}),
        ("DiS-Tiny/4@chunked", "forward", {CORE, PROJECTIONS, SKIP} - {MLP}),
        ("U-DiG-Tiny/4@chunked", "forward", {CORE, PROJECTIONS, SREM, RESIDUAL}),
    ],
)
def test_components_add_up_to_the_whole_step(name: str, mode: Mode, components: set[str]) -> None:
    model, _, backend = name.partition("@")
    found = profile_of(replace(CELL, model=model, backend=backend, mode=mode))
    assert sum(each.total_ms for each in found.components) == pytest.approx(found.device_ms)
    assert sum(each.total_ms for each in found.kernels) == pytest.approx(found.device_ms)
    expected = components | EVERY_NETWORK - ({MLP} if model.startswith("DiS") else set())
    assert expected <= found.by_component.keys()
    assert all(found.by_component[each].forward_ms > 0 for each in expected)
    if mode == "train":
        assert all(found.by_component[each].backward_ms > 0 for each in expected)
        assert found.by_component[OPTIMIZER].optimizer_ms > 0
        assert found.by_component[GRADIENTS].backward_ms > 0


def test_flops_of_the_components_are_those_of_the_network() -> None:
    forward, train = (profile_of(replace(CELL, mode=mode)) for mode in ("forward", "train"))
    assert sum(each.flops for each in train.components) == 3 * sum(each.flops for each in forward.components)
    core = forward.by_component[CORE]
    assert core.flops > 0
    assert core.least_bytes > 0


def test_memory_over_the_step_is_part_of_the_profile() -> None:
    found = profile_of(replace(CELL, mode="train"))
    assert found.memory is not None
    by_kind = found.memory.by_kind
    assert sum(by_kind.values()) == found.memory.peak_bytes
    assert by_kind["weights"] >= 4 * found.parameters
    assert by_kind["optimizer_state"] >= 2 * 4 * found.parameters


def test_a_plugins_backbone_is_profiled_as_it_is() -> None:
    found = profile_of(replace(CELL, model="MyNet-XS/2", backend="conv2d"))
    assert {PATCHIFY, CONDITIONING, MLP, FINAL} <= set(found.by_component)
    assert found.by_component[RESIDUAL].forward_ms > 0
    assert sum(each.total_ms for each in found.components) == pytest.approx(found.device_ms)


def test_a_backend_that_disagrees_with_its_reference_is_not_profiled() -> None:
    with pytest.raises(TaskError, match="relative error") as found:
        take.take(CELL, Protocol(check_grid=2, tolerance_fp32=1e-12), ROOFLINE, lambda text: None)
    assert found.value.status == "mismatch"


def test_a_backend_that_cannot_run_here_says_why() -> None:
    with pytest.raises(TaskError, match="runs on cuda only") as found:
        take.take(replace(CELL, backend="fla"), Protocol(), ROOFLINE, lambda text: None)
    assert found.value.status == "unsupported"
