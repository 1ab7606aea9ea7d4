from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from dig_bench.cell import EXECUTIONS, Cell, Key, Row
from dig_bench.protocol import Protocol
from dig_bench.run import check_small, measure_cell, sampling_step, subject
from dig_bench.run.capture import CaptureError
from dig_bench.run.correctness import Checked
from dig_bench.run.measure_cell import Samples
from dig_bench.run.parameters import move
from dig_bench.run.precision import tf32
from dig_bench.run.step import Inputs, training_step
from dig_models import CATALOG, build
from fake_backbones import BACKBONES

QUICK = Protocol(
    warmup_seconds=0, min_samples=6, max_samples=6, min_seconds=0, target_half_width=1e9, memory=False, check_grid=3
)
CELL = Cell(model="Fake-S/1", backend="good", resolution_px=32)


@pytest.fixture(autouse=True)
def _fakes() -> Iterator[None]:
    CATALOG.update(BACKBONES)
    check_small.compare_of_kind.cache_clear()
    yield
    for name in BACKBONES:
        del CATALOG[name]


def run(protocol: Protocol = QUICK, **changes: Any) -> tuple[Row, Samples]:
    return measure_cell.run(replace(CELL, **changes), protocol, lambda text: None)


def test_a_forward_row_holds_its_values() -> None:
    row, samples = run(replace(QUICK, memory=True), batch_size=3)
    assert (row.status, row.detail, row.cell) == ("ok", "", replace(CELL, batch_size=3))
    assert row.num_tokens == 16
    assert row.parameters == 4 * 8 + 8 + 1000 * 8
    assert row.weights_mib == pytest.approx(row.parameters * 4 / 2**20)
    assert row.gflops_per_image == pytest.approx(2 * 16 * 4 * 8 / 1e9)
    assert row.relative_error == 0
    assert row.num_samples == len(samples["latency_ms"]) == 6
    assert row.latency_ms_median is not None
    assert row.images_per_s == pytest.approx(3 / row.latency_ms_median * 1e3)
    assert row.tflops_per_s == pytest.approx(row.gflops_per_image * 3 / row.latency_ms_median)
    assert row.latency_ms_ci_low is not None
    assert row.latency_ms_ci_high is not None
    assert row.latency_ms_ci_low < row.latency_ms_median < row.latency_ms_ci_high
    assert row.state == "sustained"
    assert row.first_call_s is not None
    assert row.peak_allocated_mib is not None
    assert row.peak_allocated_mib > 50
    assert (row.host_ms_median, row.peak_reserved_mib, row.energy_j_per_image) == (None, None, None)
    assert row.device_name


def test_a_training_row_times_its_parts_too() -> None:
    row, samples = run(mode="train")
    assert row.status == "ok"
    assert list(samples) == ["latency_ms", "forward_ms", "backward_ms", "optimizer_ms"]
    for total, *parts in zip(*samples.values(), strict=True):
        assert total == pytest.approx(sum(parts))
    assert row.gflops_per_image == pytest.approx(3 * 2 * 16 * 4 * 8 / 1e9)
    assert row.backward_ms_median is not None


@pytest.mark.parametrize("precision", ["bf16", "fp16", "tf32"])
def test_lower_precisions_pass_the_correctness_check_with_a_larger_error(precision: str) -> None:
    row, _ = run(precision=precision, mode="train")
    assert row.status == "ok"
    assert row.relative_error is not None
    assert (row.relative_error > 1e-4) == (precision != "tf32")


@pytest.mark.parametrize("backend", ["wrong", "nan", "wrong-of-many"])
def test_a_wrong_output_is_a_mismatch_without_a_latency(backend: str) -> None:
    row, samples = run(backend=backend)
    assert row.status == "mismatch"
    assert row.detail.startswith("relative error")
    assert row.latency_ms_median is None
    assert samples == {}


def test_a_wrong_gradient_is_a_mismatch_of_training_only() -> None:
    assert run(backend="wrong-gradient")[0].status == "ok"
    row, _ = run(backend="wrong-gradient", mode="train")
    assert row.status == "mismatch"
    assert row.relative_error == pytest.approx(0.5)


def test_an_infinite_output_at_the_real_size_is_a_mismatch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "check", lambda *arguments: Checked(relative_error=0.0, text="", mismatch=""))
    row, _ = run(backend="nan")
    assert (row.status, row.detail) == ("mismatch", "the output is not finite")


def test_the_correctness_check_runs_once_for_each_precision_and_mode() -> None:
    for changes in ({}, {"resolution_px": 64}, {"batch_size": 2}, {"mode": "train"}, {"precision": "bf16"}):
        assert run(**changes)[0].status == "ok"
    assert check_small.compare_of_kind.cache_info().misses == 3


def test_an_exception_is_a_row_with_its_first_line() -> None:
    row, _ = run(backend="raises")
    assert (row.status, row.detail) == ("crashed", "KeyError: 'of two\\nlines'")
    assert row.parameters is not None


def test_out_of_memory_is_a_row_that_keeps_what_was_found() -> None:
    assert run(backend="hungry")[0].status == "ok"
    row, _ = run(backend="hungry", resolution_px=64)
    assert row.status == "oom"
    assert "can't allocate memory" in row.detail
    assert (row.num_tokens, row.latency_ms_median) == (64, None)


def test_out_of_memory_in_a_later_pass_leaves_no_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(call: object, device: str) -> None:
        raise MemoryError

    monkeypatch.setattr(measure_cell, "peak", fail)
    row, samples = run(replace(QUICK, memory=True))
    assert (row.status, row.latency_ms_median, row.num_samples, samples) == ("oom", None, 0, {})
    assert row.relative_error == 0


def test_graphs_and_gpus_that_are_not_there_are_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(execution="graph")[0].status == "unsupported"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    row, _ = run(device="cuda")
    assert row.status == "unsupported"
    assert "no CUDA GPU" in row.detail


def test_a_backend_that_cannot_run_here_says_why() -> None:
    row, _ = run(model="DiT-S/2", backend="cudnn", resolution_px=256)
    assert row.status == "unsupported"
    assert "cuda" in row.detail


def test_a_step_that_no_graph_can_hold_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(step: object) -> None:
        raise CaptureError("RuntimeError: operation not permitted when stream is capturing")

    monkeypatch.setattr(subject, "unavailable", lambda cell: None)
    monkeypatch.setattr(measure_cell, "capture", refuse)
    row, _ = run(execution="graph")
    assert row.status == "unsupported"
    assert row.detail == "no CUDA graph of it: RuntimeError: operation not permitted when stream is capturing"
    assert row.first_call_s is not None


def test_an_interval_that_stays_wide_is_noisy() -> None:
    row, _ = run(replace(QUICK, target_half_width=1e-9))
    assert row.status == "noisy"
    assert "%" in row.detail
    assert row.latency_ms_median is not None
    row, _ = run(replace(QUICK, min_samples=1, max_samples=1))
    assert (row.status, row.latency_ms_ci_low) == ("noisy", None)
    assert row.detail == "a single sample has no interval"


def test_tf32_is_switched_for_a_while_only() -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with tf32(True):
        assert torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cudnn.allow_tf32
        with tf32(False):
            assert not torch.backends.cuda.matmul.allow_tf32
    assert before == (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)


def test_training_steps_do_the_work_and_leave_the_network_as_it_was() -> None:
    model = build("Fake-S/1", image_size=32, backend="good")
    move(model, 0.05)
    before = [parameter.clone() for parameter in model.parameters()]
    step = training_step(model, model, Inputs.random(model, batch_size=2))
    step.parts["forward"]()
    step.parts["backward"]()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)
    step.parts["optimizer"]()
    assert all(parameter.grad is None for parameter in model.parameters())
    for parameter, old in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, old, rtol=0, atol=0)


def test_only_the_execution_compile_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []

    def note(model: torch.nn.Module) -> torch.nn.Module:
        compiled.append(model)
        return model

    monkeypatch.setattr(torch, "compile", note)
    assert run(execution="compile")[0].status == "ok"
    assert run(execution="eager")[0].status == "ok"
    assert len(compiled) == 1


def test_executions_compile_and_capture_as_their_names_say() -> None:
    keys = [Key(execution=name) for name in EXECUTIONS]
    assert [key.execution for key in keys if key.is_compiled] == ["compile", "compile-graph"]
    assert [key.execution for key in keys if key.is_graph] == ["graph", "compile-graph"]


def test_a_sampled_image_is_all_steps_of_its_sampler() -> None:
    protocol = replace(QUICK, sampler="ddim", sampler_steps=5, guidance=1.0)
    row, samples = run(protocol, mode="sample", batch_size=2)
    assert (row.status, row.detail) == ("ok", "")
    assert list(samples) == ["latency_ms", "denoise_ms"]
    assert row.denoise_ms_median == row.latency_ms_median
    assert row.decode_ms_median is None
    assert row.gflops_per_image == pytest.approx(5 * 2 * 16 * 4 * 8 / 1e9)
    assert row.images_per_s == pytest.approx(2 / row.latency_ms_median * 1e3)


def test_a_vae_has_a_share_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1}
    monkeypatch.setattr(sampling_step, "VAE_CONFIG", sampling_step.VAE_CONFIG | small)
    protocol = replace(QUICK, sampler="dpm++", sampler_steps=2, guidance=1.0, vae=True)
    row, samples = run(protocol, mode="sample")
    assert (row.status, row.detail) == ("ok", "")
    for total, *parts in zip(*samples.values(), strict=True):
        assert total == pytest.approx(sum(parts))
    assert row.decode_ms_median is not None
    assert list(samples) == ["latency_ms", "denoise_ms", "decode_ms"]
