"""Fused gated linear attention mixer in Triton's interpreter, compared with the loop over tokens."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

pytest.importorskip("triton", reason="needs Triton")
import triton_interpreter
from dig_models.kernels.gla_mixer import GLA_MIXER
from dig_models.kernels.gla_mixer import fused as fused_module
from dig_models.layers.gated_linear_attention import recurrence_flops
from dig_models.layers.scan_order import ScanOrder
from gla_mixer_cases import DECAYS, Grid, assert_close, inputs, outputs

pytestmark = [
    pytest.mark.skipif(not triton_interpreter.IS_ON, reason="needs Triton's interpreter: TRITON_INTERPRET=1"),
    # The fast path of the scores is computed and discarded if its factors overflow.
    pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning"),
]

reference: Callable[..., Tensor] = GLA_MIXER["reference"]


@pytest.fixture
def fused() -> Callable[..., Tensor]:
    return GLA_MIXER["fused"]


@pytest.fixture(autouse=True)
def unwritten_memory_is_nan() -> Iterator[None]:
    """Fills torch.empty and its like with NaN: PyTorch's deterministic mode does."""
    torch.use_deterministic_algorithms(True)
    assert torch.empty(1).new_empty(1).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize(("grid", "batch", "heads", "order"), [((7, 9), 3, 1, 1), ((10, 10), 1, 2, 2)])
def test_fused_equals_reference(
    fused: Callable[..., Tensor], grid: Grid, batch: int, heads: int, order: int, decay: str
) -> None:
    arguments = inputs(grid, decay, batch=batch, heads=heads)
    assert_close(outputs(fused, arguments, grid, order), outputs(reference, arguments, grid, order), 1e-4, heads)


@pytest.mark.parametrize("order", list(ScanOrder))
@pytest.mark.parametrize("grid", [(1, 1), (3, 3), (2, 40)])
def test_every_scan_order(fused: Callable[..., Tensor], grid: Grid, order: ScanOrder) -> None:
    arguments = inputs(grid, "learnt", heads=1)
    assert_close(outputs(fused, arguments, grid, order), outputs(reference, arguments, grid, order), 1e-4, 1)


@pytest.mark.parametrize("few", [0, 8])
@pytest.mark.parametrize("programs", [1, 2, 9])
def test_any_division_into_segments(
    fused: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch, programs: int, few: int
) -> None:
    """Divides 270 tokens, five chunks, into one segment, into two of three and two chunks, and into five.

    A separate launch scans the states between them, or each program computes its own.
    """
    monkeypatch.setattr(fused_module, "PROGRAMS", {"forward": programs, "train": programs})
    monkeypatch.setattr(fused_module, "FEW_STATES", few)
    arguments = inputs((27, 10), "by channel", heads=1)
    assert_close(outputs(fused, arguments, (27, 10), 3), outputs(reference, arguments, (27, 10), 3), 1e-4, 1)


@pytest.mark.parametrize(("variant", "launches"), [("fused", 0), ("fused:few", 0), ("fused:many", 1)])
def test_a_variant_forces_or_omits_the_launch_that_scans_states(
    variant: str, launches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    GLA_MIXER["fused"]
    scans: list[Tensor] = []
    scan = fused_module._scan
    monkeypatch.setattr(fused_module, "_scan", lambda *args, **how: (scans.append(args[0]), scan(*args, **how)))
    arguments = inputs((10, 10), "learnt", heads=1)
    found = GLA_MIXER[variant](*arguments, (10, 10), 0)
    assert len(scans) == launches
    torch.testing.assert_close(found, reference(*arguments, (10, 10), 0), rtol=1e-4, atol=1e-4)


def test_a_pass_without_training_has_no_gradients(fused: Callable[..., Tensor]) -> None:
    assert fused is not None
    arguments = [argument.requires_grad_() for argument in inputs((5, 13), "learnt", heads=1)]
    y, _ = torch.ops.dig_models.gla_mixer(*arguments, 5, 13, 2, False, "auto")
    with pytest.raises(ValueError, match="trains=True"):
        y.sum().backward()


def test_bfloat16_is_within_its_rounding(fused: Callable[..., Tensor]) -> None:
    arguments = [argument.bfloat16() for argument in inputs((10, 10), "learnt")]
    ours = outputs(fused, arguments, (10, 10), 0)
    assert all(tensor.dtype == torch.bfloat16 for tensor in ours)
    exact = outputs(reference, [argument.float() for argument in arguments], (10, 10), 0)
    assert_close(ours, exact, 1e-2, 2)


def test_later_tokens_do_not_affect_earlier_ones(fused: Callable[..., Tensor]) -> None:
    """Scans by columns from the end: the first seven columns come after the last one."""
    projected, *weights = inputs((9, 8), "learnt", heads=1)
    before = fused(projected, *weights, (9, 8), 3)
    projected[:, :7] += 1
    after = fused(projected, *weights, (9, 8), 3)
    torch.testing.assert_close(after[:, 7::8], before[:, 7::8], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(after[:, 6::8], before[:, 6::8], rtol=1e-2, atol=1e-2)


def test_results_are_bitwise_reproducible(fused: Callable[..., Tensor]) -> None:
    arguments = inputs((10, 10), "learnt", heads=1)
    first, second = (outputs(fused, arguments, (10, 10), 0) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_operators_are_well_formed(fused: Callable[..., Tensor]) -> None:
    """Checks schema, fake tensors and autograd, on which torch.compile relies."""
    assert fused is not None
    arguments = [argument.requires_grad_() for argument in inputs((5, 13), "learnt", heads=1)]
    torch.library.opcheck(torch.ops.dig_models.gla_mixer.default, (*arguments, 5, 13, 2, True, "auto"))


def test_compiles_without_a_graph_break(fused: Callable[..., Tensor]) -> None:
    arguments = inputs((5, 13), "learnt", heads=1)
    compiled = torch.compile(fused, backend="aot_eager", fullgraph=True)
    assert_close(outputs(compiled, arguments, (5, 13), 2), outputs(fused, arguments, (5, 13), 2), 1e-6, 1)


def test_flops_are_counted(fused: Callable[..., Tensor]) -> None:
    arguments = inputs((4, 4), "learnt", batch=2, heads=3)
    with FlopCounterMode(display=False) as counter:
        fused(*arguments, (4, 4), 0)
    gate = 2 * (2 * 16) * 16 * (3 * 32)
    assert counter.get_total_flops() == gate + recurrence_flops(2 * 16, 3 * 32, 64)


def test_unsupported_inputs_are_refused(fused: Callable[..., Tensor]) -> None:
    arguments = inputs((4, 4), "learnt")
    with pytest.raises(ValueError, match="16 tokens are not a grid of 4 x 5"):
        fused(*arguments, (4, 5), 0)
    with pytest.raises(ValueError, match="float16"):
        fused(*(argument.half() for argument in arguments), (4, 4), 0)
    with pytest.raises(ValueError, match="not a whole number of heads"):
        fused(arguments[0][..., 1:], *arguments[1:], (4, 4), 0)
