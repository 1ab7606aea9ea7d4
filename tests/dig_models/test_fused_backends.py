"""Whole networks with the backend `fused` in Triton's interpreter, and their concatenated weights."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from helpers import moved

pytest.importorskip("triton", reason="needs Triton")
from safetensors.torch import save_file

import triton_interpreter
from dig_models import Backbone, DiG, DiGConfig, DiT, DiTConfig, UDiG, UDiGConfig
from dig_models.kernels.adjacent_weights import concatenated
from dig_models.kernels.swiglu_mlp import SWIGLU_MLP
from elementwise_cases import divide_into

interpreted = pytest.mark.skipif(not triton_interpreter.IS_ON, reason="needs Triton's interpreter: TRITON_INTERPRET=1")

SIZES = {"latent_size": 6, "patch_size": 2, "width": 64, "depth": 4, "num_classes": 10}
FAMILIES: dict[str, Callable[[str], Backbone]] = {
    "DiG": lambda backend: DiG(DiGConfig(**SIZES, num_heads=1), backend=backend),
    "DiG-skip": lambda backend: DiG(DiGConfig(**SIZES, num_heads=1, skip=True), backend=backend),
    "U-DiG": lambda backend: UDiG(UDiGConfig(**(SIZES | {"depth": 10}), inner_widths=(64, 128)), backend=backend),
    "DiT": lambda backend: DiT(DiTConfig(**SIZES, num_heads=2), backend="math" if backend == "reference" else backend),
}


@pytest.fixture(autouse=True, scope="module")
def what_a_cpu_can_run() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DiT.backends["fused"], "attention", "math")
        divide_into(2, patch)
        yield


def pair(family: str) -> tuple[Backbone, Backbone]:
    """The same network with backend `reference` and with `fused`."""
    torch.manual_seed(0)
    reference, fused = moved(FAMILIES[family]("reference")), FAMILIES[family]("fused").eval()
    fused.load_state_dict(reference.state_dict())
    return reference, fused


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 4, 6, 6, generator=generator), torch.tensor([7, 700]), torch.tensor([1, 2])


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A forward and a backward pass of one network."""

    results: dict[str, Tensor]
    """The output, and the gradients of the latent and of all parameters."""
    calls: Counter[str]
    """Calls of each operation in the forward pass."""


def run(model: Backbone) -> Pass:
    calls: Counter[str] = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            calls[name] += 1
            return function(*arguments)

        return call

    latent, timestep, label = inputs()
    with ExitStack() as stack:
        for operation in model.operations.values():
            stack.enter_context(operation.watched(partial(counted, operation.name)))
        output = model(latent.requires_grad_(), timestep, label)
    names = [name for name, _ in model.named_parameters()]
    gradients = torch.autograd.grad(output, [latent, *model.parameters()], output.detach().cos())
    return Pass(
        results={"output": output.detach(), **dict(zip(["latent", *names], gradients, strict=True))}, calls=calls
    )


@pytest.fixture(scope="module", params=FAMILIES)
def passes(request: pytest.FixtureRequest) -> tuple[str, Pass, Pass]:
    """The family, and the passes of `reference` and of `fused`."""
    reference, fused = pair(request.param)
    return request.param, run(reference), run(fused)


@interpreted
def test_fused_equals_reference_forward_and_backward(passes: tuple[str, Pass, Pass]) -> None:
    _, reference, fused = passes
    expected, found = reference.results, fused.results
    assert found.keys() == expected.keys()
    # With a single token, as in U-DiG's third stage, the gradient of the forget gate is zero, and so are those of q and
    # k up to the norm's epsilon: only the rounding of cancelled terms remains.
    far = {name for name, x in expected.items() if not (found[name] - x).norm() <= 1e-3 * x.norm() + 1e-5}
    assert far == set()


CALLS = {
    "DiG": {"norm_modulate": 2, "residual_conv": 1, "residual_conv_norm_modulate": 3},
    "DiG-skip": {"norm_modulate": 3, "residual_conv": 2, "residual_conv_norm_modulate": 2},
    "U-DiG": {"norm_modulate": 6, "residual_conv": 5, "residual_conv_norm_modulate": 5},
    "DiT": {"norm_modulate": 2, "gate_residual": 1, "gate_residual_norm_modulate": 4 + 3},
}


@interpreted
def test_a_block_computes_the_first_norm_of_the_next_block(passes: tuple[str, Pass, Pass]) -> None:
    family, reference, fused = passes
    assert {name: count for name, count in fused.calls.items() if name in CALLS[family]} == CALLS[family]
    # Other backends compute each norm in its own block.
    depth = 10 if family == "U-DiG" else SIZES["depth"]
    assert (reference.calls["norm_modulate"], reference.calls["gate_residual_norm_modulate"]) == (depth + 1, depth)
    assert "residual_conv_norm_modulate" not in reference.calls


@interpreted
def test_the_flop_counter_of_pytorch_sees_all_flops_of_the_fused_backend() -> None:
    fused = DiG(DiGConfig(**(SIZES | {"depth": 2}), num_heads=1), backend="fused").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        fused(*inputs())
    assert counter.get_total_flops() == fused.flops(2).total


def test_a_variant_of_a_backend_is_the_variant_of_every_operation_that_has_it() -> None:
    assert DiG.variants("fused") == ("fused:few", "fused:many")
    assert DiG.variants("chunked") == ("chunked",)
    model = DiG(DiGConfig(**SIZES, num_heads=1), backend="fused:many")
    assert (model.backend, model.variant) == ("fused", "many")
    forced = {name for name, implementation in model.implementations.items() if implementation.endswith(":many")}
    assert forced == {"gla_mixer", "swiglu_mlp", "residual_conv_norm_modulate"}
    assert model.blocks[0].mlp.swiglu_mlp == "fused:many"
    assert model.kernels() == FAMILIES["DiG"]("fused").kernels()


@pytest.mark.parametrize("backend", ["fused:more", "reference:many", "fused:"])
def test_an_unknown_variant_is_refused(backend: str) -> None:
    with pytest.raises(ValueError, match="has no backend"):
        DiG(DiGConfig(**SIZES, num_heads=1), backend=backend)
    with pytest.raises(ValueError, match="has no implementation"):
        SWIGLU_MLP[backend]


def mixer_weights(model: nn.Module) -> list[nn.Parameter]:
    names = ("q_proj", "k_proj", "v_proj", "g_proj", "gk_proj.0")
    return [model.get_parameter(f"blocks.0.attn.{name}.weight") for name in names]


def modulation_parameters(model: nn.Module) -> list[list[nn.Parameter]]:
    names = [f"blocks.{index}.adaLN_modulation.1" for index in range(SIZES["depth"])]
    return [[model.get_parameter(f"{name}.{kind}") for name in names] for kind in ("weight", "bias")]


def assert_concatenated_without_a_copy(model: nn.Module) -> None:
    for weights in (mixer_weights(model), *modulation_parameters(model)):
        with torch.no_grad():
            view = concatenated(weights)
        assert view.data_ptr() == weights[0].data_ptr()
        assert torch.equal(view, torch.cat(weights))


def test_weights_stay_adjacent_through_copies_casts_and_optimizer_steps() -> None:
    reference, fused = pair("DiG")
    assert_concatenated_without_a_copy(fused)
    assert_concatenated_without_a_copy(copy.deepcopy(fused))
    assert_concatenated_without_a_copy(FAMILIES["DiG"]("fused").to(torch.bfloat16))

    optimizer = torch.optim.AdamW(fused.parameters(), lr=0.1)
    for parameter in fused.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert_concatenated_without_a_copy(fused)
    reference.load_state_dict(fused.state_dict())
    assert torch.equal(torch.cat(mixer_weights(reference)), torch.cat(mixer_weights(fused)))


@pytest.mark.parametrize("family", FAMILIES)
def test_modulations_are_those_of_each_block_with_and_without_gradients(family: str) -> None:
    reference, fused = pair(family)
    for blocks, same in zip(reference.blocks_by_condition(), fused.blocks_by_condition(), strict=True):
        condition_BD = torch.randn(3, blocks[0].adaLN_modulation[1].in_features)
        expected = [block.adaLN_modulation(condition_BD) for block in blocks]
        torch.testing.assert_close(reference.modulations(condition_BD, blocks), expected)
        torch.testing.assert_close(fused.modulations(condition_BD, same), expected)
        with torch.no_grad():
            found = fused.modulations(condition_BD, same)
        torch.testing.assert_close(found, expected)
        # Slices of the output of one GEMM.
        assert len({each.untyped_storage().data_ptr() for each in found}) == 1


def test_weights_that_are_no_longer_adjacent_are_copied() -> None:
    fused = FAMILIES["DiG"]("fused").requires_grad_(False)
    weights = mixer_weights(fused)
    fused.load_state_dict({name: tensor.clone() for name, tensor in fused.state_dict().items()}, assign=True)
    torch.nn.init.normal_(weights[1])
    assert torch.equal(concatenated(mixer_weights(fused)), torch.cat(mixer_weights(fused)))


def test_gradients_reach_all_concatenated_weights() -> None:
    weights = mixer_weights(FAMILIES["DiG"]("fused"))
    rows = concatenated(weights)
    gradients = torch.autograd.grad(rows, weights, torch.arange(rows.numel()).view(rows.shape).float())
    assert torch.equal(torch.cat(gradients), torch.arange(rows.numel()).view(rows.shape).float())


def test_other_head_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="heads of 64 channels, not 2 of 64 together"):
        DiG(DiGConfig(**SIZES, num_heads=2), backend="fused")


def test_a_checkpoint_of_the_fused_backend_can_be_written(tmp_path: Path) -> None:
    state = FAMILIES["DiG"]("fused").state_dict()
    assert state.keys() == FAMILIES["DiG"]("reference").state_dict().keys()
    save_file(state, tmp_path / "model.safetensors")
