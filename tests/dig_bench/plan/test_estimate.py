"""Estimate of a sweep: exact FLOPs, guessed seconds, and the cells that cannot run."""

from dataclasses import replace

from dig_bench.cell import Cell
from dig_bench.plan.availability import unavailable_cells
from dig_bench.plan.estimate import cell_seconds, estimate, step_flops
from dig_bench.plan.sweep import make
from dig_bench.protocol import Protocol
from dig_models import CATALOG, build

CELL = Cell(model="DiT-S/8", backend="math", resolution_px=256)


def test_flops_are_the_models_own() -> None:
    forward = build("DiT-S/8", image_size=256, backend="math", device="meta").flops(1).total
    assert step_flops(CELL, Protocol()) == forward
    assert step_flops(replace(CELL, mode="train", batch_size=4), Protocol()) == 3 * 4 * forward
    # With guidance, a sampler step takes two forward passes.
    assert step_flops(replace(CELL, mode="sample"), Protocol(sampler_steps=20)) == 2 * 20 * forward


def test_the_guess_keeps_to_the_protocols_caps() -> None:
    short, long = (Protocol(max_samples=6, min_samples=6, max_seconds=seconds) for seconds in (1, 1000))
    assert cell_seconds(CELL, short) == cell_seconds(CELL, long)
    huge = replace(CELL, batch_size=10**6)
    assert cell_seconds(huge, Protocol(min_samples=20)) > cell_seconds(huge, Protocol(min_samples=10))
    assert cell_seconds(CELL, Protocol(max_seconds=1)) <= cell_seconds(CELL, Protocol(max_seconds=100))


def test_an_estimate_counts_cells_workers_and_what_is_unavailable() -> None:
    found = estimate(make(device="cpu", axes={"models": ("DiT-S/8@*",), "resolutions_px": (64,)}))
    backends = len(CATALOG["DiT-S/8"].architecture.backends)
    assert len(found.step_flops) == found.num_workers == backends
    needing_a_gpu = [name for name in CATALOG["DiT-S/8"].architecture.backends if name not in ("math", "sdpa")]
    assert [each.name for each in found.unavailable] == [f"DiT-S/8@{name}" for name in needing_a_gpu]
    assert found.seconds > backends


def test_unavailable_cells_are_grouped_by_reason() -> None:
    flash = replace(CELL, backend="flash2")
    cells = [CELL, flash, replace(flash, resolution_px=512), replace(CELL, execution="graph")]
    assert [str(each) for each in unavailable_cells(cells)] == [
        "DiT-S/8@flash2: 2 cells unavailable here: flash2: runs on cuda only",
        "DiT-S/8@math: 1 cell unavailable here: CUDA graphs need a CUDA GPU",
    ]


def test_unavailable_cells_take_no_time() -> None:
    assert cell_seconds(replace(CELL, backend="flash2"), Protocol()) == 0
    assert cell_seconds(replace(CELL, execution="graph"), Protocol()) == 0
