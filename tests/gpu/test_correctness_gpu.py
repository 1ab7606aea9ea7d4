"""The correctness check on a GPU: planted errors are found, the kernels pass at the sizes that are timed."""

from collections.abc import Iterator
from typing import Any

import pytest

from dig_bench.cell import Cell
from dig_bench.protocol import Protocol
from dig_bench.run import measure_cell, subject
from dig_bench.run.precision import tf32
from dig_models import CATALOG
from fake_backbones import BACKBONES

pytestmark = pytest.mark.gpu

BUILT_IN = [
    ("DiG-S/2@fla", "bf16", 1024, 4),
    ("DiG-S/2@fla", "tf32", 1024, 1),
    ("DiG-S/2@fused", "bf16", 1024, 4),
    ("DiG-S/2@fused", "tf32", 1024, 1),
    ("DiG-XL/2@fused", "bf16", 2048, 1),
    ("DiG-XL/2@fla", "bf16", 2048, 1),
    ("U-DiG-S/2@fused", "bf16", 1024, 1),
    ("DiT-S/2@flash2", "bf16", 1024, 4),
    ("DiT-S/2@cudnn", "fp16", 1024, 1),
    ("DiT-XL/2@fused", "bf16", 2048, 1),
    ("DiS-S/2@mamba-ssm", "bf16", 1024, 1),
]


@pytest.fixture(autouse=True)
def _fakes() -> Iterator[None]:
    before = dict(CATALOG)
    CATALOG.update(BACKBONES)
    yield
    CATALOG.clear()
    CATALOG.update(before)


@pytest.mark.parametrize("execution", ["eager", "graph", "compile"])
@pytest.mark.parametrize(
    ("backend", "mode"),
    [("wrong-at-size", "forward"), ("mixes-images", "forward"), ("wrong-gradient-at-size", "train")],
)
def test_an_error_at_the_timed_size_only_is_a_mismatch(backend: str, mode: Any, execution: Any) -> None:
    cell = Cell(
        model="Fake-S/1",
        backend=backend,
        resolution_px=128,
        batch_size=3,
        mode=mode,
        execution=execution,
        device="cuda",
    )
    row, _ = measure_cell.run(cell, Protocol(), lambda text: None)
    assert row.status == "mismatch", row.detail
    assert "at 256 tokens" in row.detail


@pytest.mark.parametrize("mode", ["forward", "train"])
@pytest.mark.parametrize(("name", "precision", "px", "batch_size"), BUILT_IN)
def test_kernels_pass_at_the_timed_size(name: str, precision: Any, px: int, batch_size: int, mode: Any) -> None:
    model, _, backend = name.partition("@")
    cell = Cell(
        model=model,
        backend=backend,
        resolution_px=px,
        batch_size=batch_size,
        precision=precision,
        mode=mode,
        device="cuda",
    )
    if reason := subject.unavailable(cell):
        pytest.skip(reason)
    found: dict[str, Any] = {}
    # Raises TaskError for a mismatch.
    with tf32(precision == "tf32"):
        subject.prepare(cell, Protocol(), lambda text: None, found)
    print(cell, f"{found['relative_error']:.2g}", found["checked"], sep="\n")
    assert "unchecked" not in found["checked"]
    assert f"{found['num_tokens']} tokens: {'math' if model.startswith('DiT') else 'chunked'} fp32" in found["checked"]
