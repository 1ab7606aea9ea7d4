"""The plan's estimate: exact FLOPs, a guess in seconds that says so, and what cannot run."""

from dataclasses import replace

from dig_bench.cell import Cell
from dig_bench.plan.estimate import cell_seconds, described, hindrances, step_flops
from dig_bench.plan.sweep import make
from dig_bench.protocol import Protocol
from dig_models import CATALOG, build

CELL = Cell(model="DiT-S/8", backend="math", resolution_px=256)


def test_flops_are_the_models_own() -> None:
    forward = build("DiT-S/8", image_size=256, backend="math", device="meta").flops(1).total
    assert step_flops(CELL, Protocol()) == forward
    assert step_flops(replace(CELL, mode="train", batch_size=4), Protocol()) == 3 * 4 * forward
    # Guided, a step of a sampler is two passes.
    assert step_flops(replace(CELL, mode="sample"), Protocol(sampler_steps=20)) == 2 * 20 * forward


def test_the_guess_keeps_to_the_protocols_caps() -> None:
    short, long = (Protocol(max_samples=6, min_samples=6, max_seconds=seconds) for seconds in (1, 1000))
    assert cell_seconds(CELL, short) == cell_seconds(CELL, long)
    huge = replace(CELL, batch_size=10**6)
    assert cell_seconds(huge, Protocol(min_samples=20)) > cell_seconds(huge, Protocol(min_samples=10))
    assert cell_seconds(CELL, Protocol(max_seconds=1)) <= cell_seconds(CELL, Protocol(max_seconds=100))


def test_a_description_ends_in_the_number_of_cells_and_says_that_it_guesses() -> None:
    lines = described(make(device="cpu", axes={"models": ("DiT-S/8@*",), "resolutions_px": (64,)})).splitlines()
    assert lines[0].startswith("DiT-S/8@math 64px b1 forward fp32 eager cpu")
    count = len(CATALOG["DiT-S/8"].architecture.backends)
    assert lines[-1].startswith(f"{count} cells in {count} worker processes, 4 cannot run here: roughly")
    assert "guess" in lines[-1]


def test_what_cannot_run_is_said_once_for_each_reason() -> None:
    flash = replace(CELL, backend="flash2")
    assert hindrances([CELL, flash, replace(flash, resolution_px=512), replace(CELL, execution="graph")]) == [
        "2 cells of DiT-S/8@flash2 cannot run here: flash2: runs on cuda only",
        "1 cell of DiT-S/8@math cannot run here: CUDA graphs need a CUDA GPU",
    ]


def test_what_cannot_run_takes_no_time() -> None:
    assert cell_seconds(replace(CELL, backend="flash2"), Protocol()) == 0
    assert cell_seconds(replace(CELL, execution="graph"), Protocol()) == 0
