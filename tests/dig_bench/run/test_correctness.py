"""The correctness check finds planted errors at the timed size only, says what it compared, and what it could not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dig_bench.cell import Cell, Row
from dig_bench.plan import plugins
from dig_bench.protocol import Protocol
from dig_bench.run import check_small, measure_cell, shallow, subject
from dig_bench.run.images import Images
from dig_bench.run.task import TaskError
from dig_models import CATALOG
from fake_backbones import BACKBONES, ODD_BACKBONES

TINY = Path(__file__).parents[2] / "support" / "tiny_backbones.py"
PROTOCOL = Protocol(check_grid=3)
CELL = Cell(model="Fake-S/1", backend="good", resolution_px=128)
MANY = "256 tokens"


@pytest.fixture(autouse=True)
def _fakes() -> Iterator[None]:
    before = dict(CATALOG)
    CATALOG.update(BACKBONES | ODD_BACKBONES)
    plugins.load([TINY])
    check_small.compare_of_kind.cache_clear()
    yield
    CATALOG.clear()
    CATALOG.update(before)


def checked(protocol: Protocol = PROTOCOL, **changes: Any) -> tuple[str, dict[str, Any]]:
    """The reason of a mismatch, empty without one, and the columns that are known before timing."""
    found: dict[str, Any] = {}
    try:
        subject.prepare(replace(CELL, **changes), protocol, lambda text: None, found)
    except TaskError as error:
        return f"{error}", found
    return "", found


def test_an_error_at_the_timed_size_only_is_a_mismatch() -> None:
    assert checked(backend="wrong-at-size", resolution_px=32)[0] == ""
    reason, found = checked(backend="wrong-at-size")
    assert reason == f"relative error 0.06 to reference fp32 at {MANY}, above 0.0001"
    assert found["relative_error"] == pytest.approx(0.06, rel=1e-3)


def test_a_planted_error_has_a_row_without_a_latency() -> None:
    cell = replace(CELL, backend="wrong-at-size")
    row: Row = measure_cell.run(cell, PROTOCOL, lambda text: None)[0]
    assert (row.status, row.latency_ms_median) == ("mismatch", None)
    assert MANY in row.detail
    assert MANY in row.checked


@pytest.mark.parametrize("mode", ["forward", "train", "sample"])
def test_a_backend_that_mixes_the_images_of_a_batch_is_a_mismatch(mode: str) -> None:
    protocol = replace(PROTOCOL, sampler="ddim", sampler_steps=1, guidance=1.0)
    assert checked(protocol, backend="mixes-images", mode=mode)[0] == ""
    reason, _ = checked(protocol, backend="mixes-images", mode=mode, batch_size=3)
    assert "relative error" in reason
    assert MANY in reason


def test_an_image_alone_convicts_a_backend_without_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dig_bench.run.check_timed.independent_backend", lambda *arguments: None)
    reason, found = checked(backend="mixes-images", batch_size=3)
    assert f"to the same image alone at {MANY}" in reason
    assert f"{MANY}: unchecked, no other plain backend" in found["checked"]


def test_an_input_gradient_that_is_wrong_at_the_timed_size_is_a_mismatch_of_training() -> None:
    assert checked(backend="wrong-gradient-at-size")[0] == ""
    one_image = replace(PROTOCOL, check_share=1e-12)
    reason, _ = checked(one_image, backend="wrong-gradient-at-size", mode="train", batch_size=2)
    assert reason == f"relative error 0.06 of the input gradient to reference fp32 at {MANY}, above 0.0001"


def test_the_text_says_what_was_compared_at_which_size() -> None:
    assert checked(mode="train", batch_size=2)[1]["checked"] == (
        "9 tokens: reference, gradients; FLOPs: counted; batch: image 0 alone; "
        "256 tokens: reference fp32, 2 of 2 images, gradients"
    )
    assert checked(resolution_px=32)[1]["checked"] == (
        "9 tokens: reference; FLOPs: counted; 16 tokens: reference fp32, 1 image"
    )


def test_without_a_budget_one_image_is_compared() -> None:
    found = checked(replace(PROTOCOL, check_share=1e-12), batch_size=3, mode="train")[1]
    assert found["checked"].endswith("256 tokens: reference fp32, 1 of 3 images, input gradient")
    assert "unchecked, check_share is 0" in checked(replace(PROTOCOL, check_share=0))[1]["checked"]


def test_a_network_without_any_other_backend_is_unchecked_but_measured() -> None:
    reason, found = checked(backend="reference")
    assert (reason, found["relative_error"]) == ("", None)
    assert found["checked"] == (
        "9 tokens: unchecked, reference is its own reference; FLOPs: counted; "
        "256 tokens: unchecked, no other plain backend"
    )
    reason, found = checked(backend="reference", precision="bf16")
    assert reason == ""
    assert 1e-4 < found["relative_error"] < 1e-2
    assert "unchecked, reference is its own reference, in fp32" in found["checked"]


def test_a_network_that_no_two_calls_compute_alike_is_named() -> None:
    reason, found = checked(backend="restless")
    assert reason == ""
    assert "not deterministic: two identical calls differ by 4e-05" in found["checked"]
    for precision in ("fp32", "bf16"):
        reason, found = checked(model="Alone-S/1", backend="restless", precision=precision)
        assert (reason, found["relative_error"]) == ("", None)
        assert "unchecked" in found["checked"]
        assert "not deterministic" in found["checked"]


@pytest.mark.parametrize(
    ("model", "backend", "reason"),
    [
        ("Fake-S/1", "false-tokens", "reports 257 tokens, its inputs have 256 patches"),
        ("Fake-S/1", "false-flops", "reports 3.277e-05 GFLOPs, its reference backend 1.638e-05 GFLOPs"),
        ("Boastful-S/1", "false-flops", "torch.utils.flop_counter counts 5.76e-07 GFLOPs"),
    ],
)
def test_false_values_about_itself_are_a_mismatch(model: str, backend: str, reason: str) -> None:
    assert reason in checked(model=model, backend=backend)[0]


def test_a_comparison_that_does_not_fit_is_said_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Images, "_exact", fail)
    reason, found = checked()
    assert reason == ""
    assert found["checked"].endswith("256 tokens: reference fp32 of 1 blocks unchecked, out of memory")
    assert found["relative_error"] == 0


@pytest.mark.parametrize("mode", ["forward", "train"])
@pytest.mark.parametrize(("name", "backend"), [("DiG", "chunked"), ("DiT", "sdpa"), ("DiS", "chunked")])
def test_few_blocks_stand_for_a_network_that_exceeds_the_budget(
    name: str, backend: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shallow, "BLOCKS", 1)
    cell: dict[str, Any] = {"model": f"{name}-Tiny/4", "backend": backend, "resolution_px": 64, "mode": mode}
    other = "math" if name == "DiT" else "reference"
    for share, blocks in ((1e-12, ", 1 of 2 blocks"), (1e6, "")):
        reason, found = checked(replace(PROTOCOL, check_share=share), **cell)
        assert reason == ""
        assert f"4 tokens: {other} fp32{blocks}, 1 image" in found["checked"]
        assert 0 < found["relative_error"] < 1e-5


@pytest.mark.parametrize("model", ["DiG-Tiny/4", "DiT-Tiny/4", "DiS-Tiny/4", "U-DiG-Tiny/4"])
def test_networks_pass_in_bf16_with_gradients(model: str) -> None:
    backend = "sdpa" if model.startswith("DiT") else "chunked"
    reason, found = checked(model=model, backend=backend, resolution_px=128, mode="train", precision="bf16")
    assert reason == ""
    assert 1e-4 < found["relative_error"] < Protocol().tolerance_bf16
