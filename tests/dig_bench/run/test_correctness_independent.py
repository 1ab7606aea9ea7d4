"""Another implementation is chosen by rule, and computes the same in little memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dig_bench.cell import Cell
from dig_bench.plan import plugins
from dig_bench.protocol import Protocol
from dig_bench.run import independent
from dig_bench.run.evaluation import errors, evaluate, random_cotangent
from dig_bench.run.independent import in_pieces, independent_backend, network, recompute_blocks
from dig_bench.run.parameters import move
from dig_bench.run.step import Inputs
from dig_bench.run.under_test import UnderTest
from dig_models import CATALOG
from dig_models.kernels.attention import ATTENTION
from fake_backbones import BACKBONES

SUPPORT = Path(__file__).parents[2] / "support"


@pytest.fixture(autouse=True)
def _catalogue() -> Iterator[None]:
    before = dict(CATALOG)
    plugins.load([SUPPORT / "tiny_backbones.py", SUPPORT.parents[1] / "examples" / "my_backbone.py"])
    CATALOG.update(BACKBONES)
    yield
    CATALOG.clear()
    CATALOG.update(before)


@pytest.mark.parametrize(
    ("name", "device", "tokens", "other"),
    [
        ("DiG-S/2@fla", "cuda", 16384, "chunked"),
        ("DiG-S/2@fused", "cuda", 16384, "chunked"),
        ("U-DiG-S/2@fused", "cuda", 16384, "chunked"),
        ("DiS-S/2@mamba-ssm", "cuda", 16384, "chunked"),
        ("DiG-S/2@reference", "cpu", 16384, "chunked"),
        ("DiG-S/2@chunked", "cpu", 1024, "reference"),
        ("DiG-S/2@chunked", "cpu", 4096, None),
        ("DiT-S/2@fused", "cuda", 16384, "math"),
        ("DiT-S/2@sdpa", "cpu", 16384, "math"),
        ("DiT-S/2@math", "cpu", 16384, "sdpa"),
        ("DiT-S/2@math", "cuda", 16384, None),
        ("MyNet-XS/2@conv2d", "cpu", 16384, "reference"),
        ("MyNet-XS/2@reference", "cpu", 256, None),
    ],
)
def test_the_other_backend_is_plain_and_no_loop_over_many_tokens(
    name: str, device: str, tokens: int, other: str | None
) -> None:
    model, _, backend = name.partition("@")
    assert independent_backend(Cell(model=model, backend=backend, resolution_px=256, device=device), tokens) == other


def test_attention_in_pieces_is_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def watched(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        sizes.append(q.shape[1])
        return attention(q, k, v)

    attention = ATTENTION["math"]
    monkeypatch.setattr(independent, "PIECE_BYTES", 4 * 2 * 3 * 10 * 4)
    inputs = [torch.randn(2, 10, 3, 8, requires_grad=True) for _ in range(3)]
    pieces, whole = in_pieces(watched)(*inputs), attention(*inputs)
    torch.testing.assert_close(pieces, whole)
    for found, expected in zip(
        torch.autograd.grad(pieces.sin().sum(), inputs), torch.autograd.grad(whole.sin().sum(), inputs), strict=True
    ):
        torch.testing.assert_close(found, expected)
    assert sizes[:3] == [4, 4, 2]
    with torch.inference_mode():
        torch.testing.assert_close(in_pieces(watched)(*inputs), whole)


@pytest.mark.parametrize("model", ["DiG-Tiny/4", "DiT-Tiny/4", "DiS-Tiny/4", "U-DiG-Tiny/4"])
def test_recomputing_the_blocks_changes_no_gradient(model: str) -> None:
    backend = "math" if model.startswith("DiT") else "chunked"
    cell = Cell(model=model, backend=backend, resolution_px=64, mode="train")
    plain, frugal = (network(cell, grid=4, backend=backend) for _ in range(2))
    move(plain, 0.04)
    frugal.load_state_dict(plain.state_dict())
    recompute_blocks(frugal)
    inputs = Inputs.random(plain, 2)
    cotangent = random_cotangent(plain, inputs)
    found = errors(evaluate(frugal, frugal, inputs, cotangent), evaluate(plain, plain, inputs, cotangent))
    assert set(found) == {"output", "input gradient", "parameter gradients"}
    assert max(found.values()) < 1e-6


def test_compiled_training_is_compared_with_null_labels_and_stays_in_training_mode() -> None:
    cell = Cell(model="DiG-Tiny/4", backend="chunked", resolution_px=64, mode="train", execution="compile")
    model = network(cell, grid=2, backend="chunked").train()
    move(model, 0.04)
    modes: list[bool] = []

    def compiled(*inputs: torch.Tensor) -> torch.Tensor:
        modes.append(model.training)
        output: torch.Tensor = model(*inputs)
        return output

    tested = UnderTest.of(cell, Protocol(), model, compiled)
    with tested.without_dropping_labels():
        found, again = tested.evaluate(), tested.evaluate()
    assert max(errors(found, again).values()) == 0
    assert modes == [True, True]
    assert (tested.inputs.label == model.config.num_classes).all()


def test_eager_training_is_compared_in_evaluation_mode_with_labels() -> None:
    cell = Cell(model="DiG-Tiny/4", backend="chunked", resolution_px=64, mode="train")
    model = network(cell, grid=2, backend="chunked").train()
    tested = UnderTest.of(cell, Protocol(), model, model)
    with tested.without_dropping_labels():
        assert not model.training
    assert model.training
    assert (tested.inputs.label < model.config.num_classes).all()


def test_compiled_code_without_a_null_label_is_left_out() -> None:
    cell = Cell(model="Fake-S/1", backend="good", resolution_px=32, mode="train", execution="compile")
    model = network(cell, grid=4, backend="good")
    assert UnderTest.of(cell, Protocol(), model, lambda *inputs: model(*inputs)).call is model
