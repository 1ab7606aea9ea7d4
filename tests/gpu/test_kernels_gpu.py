"""GPU implementations compared with the reference in fp32, forward and all gradients, over irregular shapes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dig_models.kernels.attention import ATTENTION
from dig_models.kernels.causal_conv import CAUSAL_CONV
from dig_models.kernels.gated_linear_attention import GATED_LINEAR_ATTENTION
from dig_models.kernels.gated_norm import GATED_NORM
from dig_models.kernels.op import KernelOp
from dig_models.kernels.residual_norm import RESIDUAL_NORM
from dig_models.kernels.swiglu_mlp import SWIGLU_MLP

pytestmark = pytest.mark.gpu

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 1e-2}


@pytest.fixture(autouse=True)
def exact_fp32() -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def usable(op: KernelOp, name: str, precision: str, mode: str = "train") -> Callable[..., Tensor]:
    if reason := op.implementations[name].unavailable(device="cuda", mode=mode, precision=precision):
        pytest.skip(reason)
    return op[name]


def outputs(function: Callable[..., Tensor], arguments: list[Tensor], *, backward: bool = True) -> list[Tensor]:
    arguments = [argument.detach().requires_grad_(backward) for argument in arguments]
    output = function(*arguments)
    if not backward:
        return [output]
    cotangent = torch.randn(output.shape, generator=torch.Generator().manual_seed(5)).to(output)
    return [output.detach(), *torch.autograd.grad(output, arguments, cotangent)]


def assert_close(actual: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    for ours, reference in zip(actual, expected, strict=True):
        assert ours.isfinite().all()
        assert (ours.float() - reference).norm() <= tolerance * reference.norm() + 1e-5


# Log decays in bf16 have 8 bits each; their sum over a chunk of 64 is accurate to about 1 %.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-3), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize(("batch", "tokens", "heads"), [(1, 1, 6), (2, 9, 6), (1, 100, 18), (1, 4095, 6), (3, 256, 6)])
def test_fla_equals_reference(batch: int, tokens: int, heads: int, dtype: torch.dtype, tolerance: float) -> None:
    fla = usable(GATED_LINEAR_ATTENTION, "fla", "bf16")
    generator = torch.Generator().manual_seed(tokens)
    q, k, gate = (torch.randn(batch, tokens, heads, 32, generator=generator) for _ in range(3))
    v = torch.randn(batch, tokens, heads, 64, generator=generator)
    log_decay = torch.nn.functional.logsigmoid(gate) / 16
    arguments = [x.to("cuda", dtype) for x in (q, k, v, log_decay)]
    exact = GATED_LINEAR_ATTENTION["chunked" if tokens > 1000 else "reference"]
    expected = outputs(exact, [x.float() for x in arguments])
    assert_close(outputs(fla, arguments), expected, tolerance)


def shapes_of(operation: str, tokens: int) -> list[tuple[int, ...]]:
    """Shapes of the inputs, at the width of XL. Tokens of the convolution come last."""
    return {
        "gated_norm": [(2, tokens, 18, 64), (2, tokens, 18, 64), (64,)],
        "swiglu_mlp": [(2, tokens, 1152), (6144, 1152), (1152, 3072)],
        "residual_norm": [(2, tokens, 1152), (2, tokens, 1152), (1152,)],
        "causal_conv": [(2, 2304, tokens), (2304, 1, 4), (2304,)],
    }[operation]


@pytest.mark.parametrize(
    ("op", "name"),
    [(GATED_NORM, "fla"), (SWIGLU_MLP, "fla"), (RESIDUAL_NORM, "mamba-ssm"), (CAUSAL_CONV, "mamba-ssm")],
    ids=lambda value: getattr(value, "name", value),
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("tokens", [1, 63, 1026])
def test_operations_of_the_baselines_equal_their_references(
    op: KernelOp, name: str, dtype: torch.dtype, tokens: int
) -> None:
    function = usable(op, name, "bf16")
    generator = torch.Generator().manual_seed(tokens)
    arguments = [torch.randn(shape, generator=generator).to("cuda", dtype) for shape in shapes_of(op.name, tokens)]
    if op is SWIGLU_MLP:
        arguments[1:] = [weight / weight.shape[1] ** 0.5 for weight in arguments[1:]]
    if op is RESIDUAL_NORM:
        arguments[1] = arguments[1].float()

    def results(chosen: Callable[..., Tensor | tuple[Tensor, ...]], inputs: list[Tensor]) -> list[Tensor]:
        inputs = [each.detach().requires_grad_() for each in inputs]
        found = chosen(*inputs)
        found = found if isinstance(found, tuple) else (found,)
        cotangents = [torch.randn(y.shape, generator=torch.Generator().manual_seed(5)).to(y) for y in found]
        return [*(y.detach() for y in found), *torch.autograd.grad(found, inputs, cotangents)]

    expected = results(op["reference"], [argument.float() for argument in arguments])
    assert_close(results(function, arguments), expected, TOLERANCE[dtype])


@pytest.mark.parametrize("tokens", [102, 1026])
def test_baselines_read_strided_inputs(tokens: int) -> None:
    """Padded rows of a DiS mixer, as its aligned projections leave them."""
    from dig_models.kernels.selective_scan import SELECTIVE_SCAN

    scan = usable(SELECTIVE_SCAN, "mamba-ssm", "bf16")
    generator = torch.Generator().manual_seed(tokens)
    padded = tokens + -tokens % 8
    u, delta, z = (torch.randn(1, 64, padded, generator=generator).to("cuda")[..., :tokens] for _ in range(3))
    B, C = torch.randn(1, 32, padded, generator=generator).to("cuda")[..., :tokens].chunk(2, dim=1)
    A = -torch.arange(1.0, 17, device="cuda").repeat(64, 1)
    D, bias = torch.ones(64, device="cuda"), torch.zeros(64, device="cuda")
    arguments = [u, delta, A, B, C, D, z, bias]
    assert_close(outputs(scan, arguments), outputs(scan, [each.contiguous() for each in arguments]), 1e-5)


@pytest.mark.parametrize("name", ["flash2", "flash3", "cudnn"])
@pytest.mark.parametrize("channels", [64, 72])
@pytest.mark.parametrize("tokens", [1, 100, 1024])
def test_fused_attention_equals_math(name: str, channels: int, tokens: int) -> None:
    if name == "cudnn" and tokens == 1:
        pytest.skip("cuDNN needs two tokens or more")
    trains = "train" in ATTENTION.implementations[name].modes
    attention = usable(ATTENTION, name, "bf16", "train" if trains else "forward")
    generator = torch.Generator().manual_seed(tokens)
    arguments = [torch.randn(2, tokens, 6, channels, generator=generator).to("cuda", torch.bfloat16) for _ in range(3)]
    expected = outputs(ATTENTION["math"], [x.float() for x in arguments], backward=trains)
    assert_close(outputs(attention, arguments, backward=trains), expected, TOLERANCE[torch.bfloat16])


@pytest.mark.parametrize("name", ["flash2", "flash3", "cudnn", "math"])
def test_kernels_name_their_version(name: str) -> None:
    usable(ATTENTION, name, "bf16", "forward")
    assert any(character.isdigit() for character in ATTENTION.source(name))
