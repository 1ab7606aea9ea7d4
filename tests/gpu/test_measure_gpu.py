"""Measuring on a GPU: values agree with those of other tools, and a cell that cannot run is a row."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dig_bench.cell import Cell, Row
from dig_bench.measure import latency
from dig_bench.measure.energy import measure_energy
from dig_bench.measure.latency import Sampling, WarmUp
from dig_bench.measure.memory import peak
from dig_bench.measure.monitor import Monitor
from dig_bench.measure.nvml import open_gpu
from dig_bench.measure.statistics import summarise
from dig_bench.measure.timer import timer_for
from dig_bench.protocol import Protocol
from dig_bench.run import measure_cell
from dig_bench.run.capture import capture
from dig_bench.run.parameters import move
from dig_bench.run.step import Inputs, Step, forward_step, training_step
from dig_bench.run.workers import measure
from dig_models import build

pytestmark = pytest.mark.gpu

PROTOCOL = Protocol(max_seconds=3.0)
# PyTorch's own kernels: nothing to install, nothing to autotune.
CELL = Cell(model="DiT-S/2", backend="math", resolution_px=512, precision="bf16", execution="graph", device="cuda")


class Silent:
    def started(self, cell: Cell) -> None: ...

    def phase(self, cell: Cell, text: str) -> None: ...


def run(**changes: object) -> Row:
    return measure_cell.run(replace(CELL, **changes), PROTOCOL, lambda text: None)[0]  # type: ignore[arg-type]


def graph_ms(step: Step) -> float:
    timed = latency.measure(
        list(step.parts.values()),
        timer_for("cuda", flush_l2=True),
        warm_up=WarmUp(max_seconds=3.0),
        sampling=Sampling(min_samples=50, max_samples=1000, min_seconds=0.5, max_seconds=3.0, target_half_width=0.005),
    )
    return summarise(timed.times.total_ms).median


@pytest.mark.parametrize("mode", ["forward", "train"])
def test_graph_median_agrees_with_do_bench(mode: str) -> None:
    do_bench = pytest.importorskip("triton.testing").do_bench
    model = build("DiT-S/2", image_size=512, backend="math", precision="bf16", device="cuda")
    move(model, 0.05)
    inputs = Inputs.random(model, 4)
    step = training_step(model, model, inputs) if mode == "train" else forward_step(model, inputs)
    step()
    replayed = capture(step)
    assert graph_ms(replayed) == pytest.approx(do_bench(replayed, return_mode="median"), rel=0.03)


def test_a_replayed_graph_gives_what_eager_code_gives() -> None:
    model = build("DiT-S/2", image_size=256, backend="math", device="cuda")
    move(model, 0.05)
    step = forward_step(model, Inputs.random(model, 2))
    step()
    expected = step.outputs[0].clone()
    replayed = capture(step)
    with torch.inference_mode():
        replayed.outputs[0].fill_(float("nan"))
    replayed()
    torch.testing.assert_close(replayed.outputs[0], expected, rtol=1e-4, atol=1e-4)


def test_a_replayed_training_step_gives_the_gradients_of_eager_code() -> None:
    model = build("DiT-S/2", image_size=256, backend="math", device="cuda")
    move(model, 0.05)
    # The labels that it drops would be others on each side.
    model.y_embedder.dropout = 0.0
    step = training_step(model, model, Inputs.random(model, 2))
    kept = [torch.zeros_like(parameter) for parameter in model.parameters()]

    def keep() -> None:
        for copy, parameter in zip(kept, model.parameters(), strict=True):
            copy.copy_(parameter.grad)

    parts = dict(step.parts)
    watched = Step(
        parts={
            "forward": parts["forward"],
            "backward": parts["backward"],
            "keep": keep,
            "optimizer": parts["optimizer"],
        },
        outputs=step.outputs,
    )
    watched()
    expected = [copy.clone() for copy in kept]
    replayed = capture(watched)
    for copy in kept:
        copy.fill_(float("nan"))
    # A second replay would show gradients that add up.
    replayed()
    replayed()
    for copy, gradient in zip(kept, expected, strict=True):
        torch.testing.assert_close(copy, gradient, rtol=1e-3, atol=1e-6)


def test_a_step_that_waits_for_the_device_cannot_be_captured_and_the_next_cell_runs() -> None:
    cells = [
        Cell(model="Fake-S/1", backend="waits", resolution_px=px, execution=execution, device="cuda")
        for px, execution in ((32, "eager"), (32, "graph"), (64, "eager"))
    ]
    plugin = str(Path(__file__).parents[1] / "support" / "fake_backbones.py")
    rows = [row for row, _ in measure(cells, protocol=PROTOCOL, plugins=[plugin], observer=Silent())]
    assert [row.status == "unsupported" for row in rows] == [False, True, False]
    assert rows[1].detail.startswith("no CUDA graph of it: ")
    assert rows[0].measured
    assert rows[2].measured


@pytest.mark.parametrize(("mode", "execution"), [("forward", "graph"), ("train", "graph"), ("train", "eager")])
def test_a_row_holds_the_values_of_a_gpu(mode: str, execution: str) -> None:
    row = run(mode=mode, execution=execution)
    assert row.measured, row.detail
    for value in (row.host_ms_median, row.peak_reserved_mib, row.device_used_mib, row.sm_clock_mhz):
        assert value is not None
        assert value > 0
    assert row.weights_mib is not None
    assert row.peak_allocated_mib is not None
    assert row.weights_mib < row.peak_allocated_mib <= row.peak_reserved_mib < row.device_used_mib  # type: ignore[operator]
    if mode == "train":
        parts = [row.forward_ms_median, row.backward_ms_median, row.optimizer_ms_median]
        # Eager, the host sets the pace, and the parts are timed in another round than the whole.
        slack = 0.3 if execution == "eager" else 0.05
        assert sum(part or 0 for part in parts) == pytest.approx(row.latency_ms_median, rel=slack)


def test_energy_of_a_matmul_is_its_power_times_its_time() -> None:
    gpu = open_gpu()
    if gpu is None or gpu.energy_mj is None:
        pytest.skip("this GPU has no energy counter")
    a = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    monitor = Monitor()
    try:
        found = measure_energy([lambda: a @ a], timer_for("cuda", flush_l2=True), monitor, seconds=0.5)
    finally:
        monitor.close()
    assert found.power_w_mean is not None
    # Flushes between the calls draw less: the call alone may exceed the limit, which holds for the mean.
    assert 20 < found.power_w_mean < 1.5 * (gpu.power_limit_w or 1000)
    assert found.joules_per_call is not None
    assert 1e-3 < found.joules_per_call < 1


def test_peak_memory_counts_what_a_call_allocates_and_frees() -> None:
    def touch() -> None:
        torch.ones(256, 2**20, dtype=torch.int8, device="cuda")

    nothing, memory = peak(lambda: None, "cuda"), peak(touch, "cuda")
    assert memory.allocated_mib - nothing.allocated_mib == pytest.approx(256, abs=1)
    assert memory.device_used_mib is not None
    assert memory.device_used_mib > 256


def test_a_graph_and_eager_code_need_about_the_same_memory() -> None:
    eager, graph = (run(execution=execution, mode="train") for execution in ("eager", "graph"))
    assert graph.peak_allocated_mib == pytest.approx(eager.peak_allocated_mib, rel=0.2)


def test_an_absurd_size_is_out_of_memory_and_the_next_cell_runs() -> None:
    row = run(resolution_px=8192, execution="eager")
    assert row.status == "oom"
    assert "\n" not in row.detail
    assert run(resolution_px=256).measured


def test_tf32_differs_from_fp32() -> None:
    cell = {"model": "DiG-S/2", "backend": "chunked", "resolution_px": 256, "execution": "eager"}
    errors = [run(**cell, precision=precision).relative_error for precision in ("fp32", "tf32")]
    assert errors[0] is not None
    assert errors[1] is not None
    assert errors[0] < 1e-5 < errors[1] < 5e-3
