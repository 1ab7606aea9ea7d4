"""Memory over a step on a GPU: the allocator's history agrees with its statistics, and nothing at the peak is lost."""

import pickle
from pathlib import Path

import pytest

from dig_bench.profile.memory import record
from dig_bench.profile.memory_profile import MAX_POINTS, MemoryProfile
from dig_bench.run.step import Inputs, forward_step, training_step
from dig_models import Backbone, build

pytestmark = pytest.mark.gpu


def recorded(name: str, mode: str, *, resolution_px: int = 512) -> tuple[Backbone, MemoryProfile, dict]:
    model_name, _, backend = name.partition("@")
    model = build(model_name, image_size=resolution_px, backend=backend, precision="bf16", device="cuda")
    inputs = Inputs.random(model, 1)
    step = training_step(model, model, inputs) if mode == "train" else forward_step(model, inputs)
    step()
    found, snapshot = record(step, model, step.optimizer, "cuda")
    assert snapshot is not None
    return model, found, snapshot


@pytest.mark.parametrize("mode", ["forward", "train"])
@pytest.mark.parametrize("name", ["DiT-S/2@math", "DiG-S/2@chunked", "DiG-S/2@fused"])
def test_the_peak_is_the_allocator_s_and_its_parts_add_up_to_it(name: str, mode: str) -> None:
    model, found, _ = recorded(name, mode)
    assert found.notes == ()
    assert found.allocator_peak_bytes is not None
    # Less what the allocator leaves unused at the end of a block: up to a MiB of each that is large, five of them here.
    assert 0.95 * found.allocator_peak_bytes <= found.peak_bytes <= found.allocator_peak_bytes
    assert max(size for _, size in found.timeline) == found.peak_bytes
    assert len(found.timeline) <= MAX_POINTS
    assert sum(found.by_kind.values()) == found.peak_bytes
    assert sum(sum(kinds.values()) for kinds in found.by_component.values()) == found.peak_bytes
    weights = sum(each.numel() * each.element_size() for each in [*model.parameters(), *model.buffers()])
    # Blocks are multiples of 512 bytes.
    assert found.by_kind["weights"] == pytest.approx(weights, rel=0.02)
    assert found.by_kind.get("other", 0) <= 0.01 * found.peak_bytes


def test_training_shows_the_optimizer_s_state_and_the_activations_with_their_lines() -> None:
    _, found, _ = recorded("DiT-S/2@math", "train")
    assert found.by_kind["optimizer_state"] == pytest.approx(2 * found.by_kind["weights"], rel=0.05)
    assert found.peak_part in ("forward", "backward")
    activations = [group for group in found.largest if group.kind == "activations"]
    assert activations
    assert all(group.line.startswith("dig_models/") for group in activations)
    assert all(group.name for group in activations)


def test_a_second_recording_is_the_first_again() -> None:
    # What a process sets up once is no part of the comparison.
    recorded("DiT-S/2@math", "forward")
    one, two = (recorded("DiT-S/2@math", "forward")[1] for _ in range(2))
    assert (one.peak_bytes, one.num_allocations) == (two.peak_bytes, two.num_allocations)
    assert one.by_kind == two.by_kind


def test_the_snapshot_can_be_pickled_and_read_back(tmp_path: Path) -> None:
    _, _, snapshot = recorded("DiT-S/2@math", "forward", resolution_px=256)
    (tmp_path / "snapshot.pickle").write_bytes(pickle.dumps(snapshot))
    again = pickle.loads((tmp_path / "snapshot.pickle").read_bytes())
    assert {"segments", "device_traces"} <= again.keys()
