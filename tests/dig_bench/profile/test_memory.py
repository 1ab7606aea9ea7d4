"""Memory over a step: a snapshot of hand-made events is read right, and a real step on the CPU adds up."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from dig_bench.cell import Cell
from dig_bench.profile.allocations import Event, Range, Trace, line_of, of_snapshot, trace
from dig_bench.profile.memory import record
from dig_bench.profile.memory_profile import MAX_POINTS, Known, MemoryProfile, TensorGroup, analyse
from dig_bench.profile.output import figures_memory
from dig_bench.profile.ranges import PART, SCOPE
from dig_bench.profile.record import Profile
from dig_bench.run.step import Inputs, Step, forward_step, training_step
from dig_models import Backbone
from memory_snapshots import KIB, KNOWN, RANGES, training
from profiles import ROOFLINE
from tiny_backbones import BACKBONES


@pytest.fixture(scope="module")
def seen() -> Trace:
    return of_snapshot(training(), RANGES)


@pytest.fixture(scope="module")
def found(seen: Trace) -> MemoryProfile:
    return analyse(seen, KNOWN)


def test_the_timeline_starts_with_what_lay_there_and_follows_the_step(found: MemoryProfile) -> None:
    assert [(us, bytes // KIB) for us, bytes in found.timeline] == [
        (0.0, 14),
        (0.0, 15),
        (1.0, 18),
        (2.0, 34),
        (3.0, 31),
        (9.0, 33),
        (10.0, 37),
        (11.0, 21),
        (12.0, 19),
        (19.0, 15),
    ]
    assert found.before_bytes == 14 * KIB
    assert (found.peak_bytes, found.peak_us, found.peak_part) == (37 * KIB, 10.0, "backward")
    assert found.num_allocations == 5


def test_the_peak_s_kinds_are_told_apart_and_add_up(found: MemoryProfile) -> None:
    assert {kind: size // KIB for kind, size in found.by_kind.items()} == {
        "weights": 4,
        "gradients": 4,
        "optimizer_state": 8,
        "inputs": 2,
        "activations": 16,
        "activation_gradients": 2,
        "workspace": 1,
    }
    assert sum(found.by_kind.values()) == found.peak_bytes
    assert sum(sum(kinds.values()) for kinds in found.by_component.values()) == found.peak_bytes


def test_components_come_from_modules_parameters_and_an_operation_s_own_files(found: MemoryProfile) -> None:
    assert found.by_component["outside_modules"] == {"inputs": 2 * KIB}
    assert set(found.by_component) == {"mlp", "outside_modules"}
    assert found.by_component["mlp"]["activation_gradients"] == 2 * KIB


def test_the_largest_tensors_have_the_models_line_not_torch_s(found: MemoryProfile) -> None:
    assert found.largest[0] == TensorGroup(
        kind="activations",
        component="mlp",
        name="blocks.0.mlp:swiglu_mlp",
        line="dig_models/kernels/swiglu_mlp/fused.py:21",
        bytes=16 * KIB,
        count=1,
    )
    assert [group.line for group in found.largest if group.kind == "workspace"] == ["dig_models/layers/mlp.py:10"]


@pytest.mark.parametrize(
    ("scope", "freed_inside", "kind"),
    [
        ("blocks.0.mlp:swiglu_mlp", True, "workspace"),
        ("blocks.0.mlp:swiglu_mlp", False, "activations"),
        ("blocks.0.mlp.down_proj", True, "workspace"),
        ("blocks.0.mlp", True, "activations"),
    ],
)
def test_what_one_operation_or_layer_made_and_dropped_is_workspace(scope: str, freed_inside: bool, kind: str) -> None:
    events = [Event(time_us=1.0, address=1, bytes=8), Event(time_us=2.0, address=1, bytes=-8)]
    ranges = [
        Range(name=PART + "forward", begin=0, end=2),
        Range(name=SCOPE + scope, begin=0, end=2 if freed_inside else 1),
    ]
    assert analyse(trace(events, ranges, {}), KNOWN).by_kind == {kind: 8}


def test_a_tensor_from_before_that_is_freed_in_the_step_counts_until_then() -> None:
    events = [
        Event(time_us=1.0, address=7, bytes=100),
        Event(time_us=2.0, address=8, bytes=-50),
        Event(time_us=3.0, address=8, bytes=10),
    ]
    seen = trace(events, [Range(name=PART + "forward", begin=0, end=3)], {})
    found = analyse(seen, Known(before={}, gradients={}, leaves=frozenset()))
    assert [bytes for _, bytes in found.timeline] == [50, 150, 100, 110]
    assert found.by_kind == {"inputs": 50, "activations": 100}


def test_the_innermost_range_owns_an_event_also_where_ranges_begin_together() -> None:
    ranges = [Range(name=SCOPE + "a", begin=0, end=2), Range(name=SCOPE + "a.b", begin=0, end=1)]
    seen = trace([Event(time_us=1.0, address=1, bytes=8), Event(time_us=2.0, address=2, bytes=8)], ranges, {})
    assert [each.scope for each in seen.allocations] == ["a.b", "a"]


def test_thinning_keeps_the_peak() -> None:
    events = [Event(time_us=float(i), address=i, bytes=1 if i != 4321 else 10_000) for i in range(1, 9000)]
    events.insert(4321, Event(time_us=4321.5, address=4321, bytes=-10_000))
    found = analyse(trace(events, [], {}), Known(before={}, gradients={}, leaves=frozenset()))
    assert len(found.timeline) <= MAX_POINTS
    assert max(found.timeline, key=lambda point: point[1]) == (found.peak_us, found.peak_bytes)
    assert found.by_kind == {"other": found.peak_bytes}


@pytest.mark.parametrize(
    ("frames", "line"),
    [
        ([("/x/torch/a.py", 1), ("/x/dig_models/dig.py", 2), ("/x/dig_models/dit.py", 3)], "dig_models/dig.py:2"),
        ([("dig_models/layers/mlp.py", 4)], "dig_models/layers/mlp.py:4"),
        ([("/x/my_backbone.py", 5), ("/x/dig_models/dig.py", 2)], "my_backbone.py:5"),
        ([("/x/torch/a.py", 1), ("/x/dig_bench/runner.py", 2)], ""),
        ([], ""),
    ],
)
def test_a_line_is_of_the_models_or_of_the_plugin(frames: list[tuple[str, int]], line: str) -> None:
    assert line_of(frames, plugin="my_backbone.py") == line


def profile_with(memory: MemoryProfile | None) -> Profile:
    cell = Cell(model="DiG-S/2", backend="fused", resolution_px=512, mode="train", device="cuda")
    rest: dict[str, Any] = {"environment": {}, "kernels_of_backend": "", "num_tokens": 1024, "parameters": 1}
    times: dict[str, Any] = {"device_ms": 1.0, "unprofiled_ms": 1.0, "components": (), "blocks": {}, "kernels": ()}
    return Profile(cell=cell, **rest, **times, gaps=(), roofline=ROOFLINE, memory=memory)


def test_the_figures_say_the_peak_and_what_it_is_made_of(found: MemoryProfile) -> None:
    peak, timeline = figures_memory.memory([profile_with(found), profile_with(None)])
    assert list(peak.table.columns) == [*(kind.replace("_", " ") for kind in found.by_kind), "together"]
    assert peak.table["together"].tolist() == ["0.0379"]
    assert "peaks at 0.0379 MB in backward" in timeline.alt
    assert timeline.table.loc["1 of activations", "allocated in"] == "dig_models/kernels/swiglu_mlp/fused.py:21"
    assert len({peak.name, timeline.name}) == 2
    for plot in (peak, timeline):
        assert plot.markup().startswith("<svg")


@pytest.fixture(scope="module")
def model() -> Backbone:
    architecture, config = BACKBONES["DiT-Tiny/4"]
    return architecture(replace(config, latent_size=32), backend="math")


def recorded(model: Backbone, step: Step) -> MemoryProfile:
    step()
    found, snapshot = record(step, model, step.optimizer, "cpu")
    assert snapshot is None
    assert sum(found.by_kind.values()) == found.peak_bytes == max(bytes for _, bytes in found.timeline)
    assert json.loads(json.dumps(asdict(found)))["peak_bytes"] == found.peak_bytes
    return found


def test_a_forward_pass_on_the_cpu_peaks_above_its_weights(model: Backbone) -> None:
    found = recorded(model, forward_step(model, Inputs.random(model, 1)))
    weights = sum(each.numel() * each.element_size() for each in [*model.parameters(), *model.buffers()])
    assert found.by_kind["weights"] == found.before_bytes == weights
    assert found.by_kind["activations"] > 0
    assert found.peak_part == "forward"
    assert any(group.line.startswith("dig_models/") for group in found.largest)


def test_a_training_step_on_the_cpu_holds_two_moments_and_gradients(model: Backbone) -> None:
    found = recorded(model, training_step(model, model, Inputs.random(model, 1)))
    parameters = sum(each.numel() * each.element_size() for each in model.parameters() if each.requires_grad)
    steps = 4 * len(list(model.parameters()))
    assert found.by_kind["optimizer_state"] == 2 * parameters + steps
    assert 0 < found.by_kind["gradients"] <= parameters
    assert found.peak_part in ("backward", "optimizer")
