"""Receptive fields of the ablation's variants, by the gradients that reach their inputs."""

import importlib
import os
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dig_bench.parity.ablation import PUBLISHED_FID, AblatedDiG, ablated
from dig_models import DiG, DiGConfig

CONFIG = DiGConfig(latent_size=16, patch_size=2, width=32, depth=4, num_heads=1, num_classes=2, in_channels=1)
VARIANTS = {name.removeprefix("DiG-T/2-"): model for name, model in ablated("DiG-T/2", CONFIG).items()}
GRID = 8


def built(variant: str, *, moved: bool = True) -> AblatedDiG:
    torch.manual_seed(0)
    model = VARIANTS[variant].architecture(VARIANTS[variant].config, backend="chunked").eval()
    if moved:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    assert isinstance(model, AblatedDiG)
    return model


def seen_from(variant: str, row: int, column: int) -> Tensor:
    """Returns the tokens that the output at one token depends on, boolean (8, 8)."""
    latent = torch.randn(1, 1, 16, 16, requires_grad=True)
    output = built(variant)(latent, torch.tensor([5]), torch.tensor([0]))
    output[..., 2 * row, 2 * column].sum().backward()
    assert latent.grad is not None
    return latent.grad.abs().reshape(GRID, 2, GRID, 2).sum(dim=(1, 3)) > 0


def test_the_variants_come_in_the_papers_order() -> None:
    assert list(VARIANTS) == list(PUBLISHED_FID)


def test_a_causal_network_sees_earlier_tokens_only() -> None:
    seen = seen_from("causal", 3, 4).flatten()
    here = 3 * GRID + 4
    assert seen[: here + 1].all()
    assert not seen[here + 1 :].any()


@pytest.mark.parametrize("variant", list(VARIANTS)[1:])
def test_every_other_variant_sees_the_whole_image(variant: str) -> None:
    assert seen_from(variant, 3, 4).all()


def test_all_variants_start_as_identity_except_the_random_convolution() -> None:
    """A block with initial weights is only its convolution."""
    tokens, condition = torch.randn(1, GRID**2, 32), torch.randn(1, 32)
    for variant in VARIANTS:
        mixed = built(variant, moved=False).mix(tokens, condition, (GRID, GRID))
        assert torch.equal(mixed, tokens) is (variant != "random-conv")


def test_four_directions_equal_dig() -> None:
    full = built("four-directions")
    dig = DiG(CONFIG, backend="chunked").eval()
    dig.load_state_dict(full.state_dict())
    inputs = torch.randn(2, 1, 16, 16), torch.tensor([5, 900]), torch.tensor([0, 1])
    torch.testing.assert_close(full(*inputs), dig(*inputs))


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") != "1", reason="needs Triton's interpreter: TRITON_INTERPRET=1")
@pytest.mark.parametrize("variant", ["causal", "both-directions", "random-conv"])
def test_the_fused_kernels_compute_the_variants(variant: str) -> None:
    """Compares output and gradients with the chunked backend."""
    pytest.importorskip("triton", reason="needs Triton")
    importlib.import_module("triton_interpreter")
    config = replace(VARIANTS[variant].config, latent_size=6, width=64)
    torch.manual_seed(0)
    chunked, fused = (AblatedDiG(config, backend=backend).eval() for backend in ("chunked", "fused"))  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in chunked.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    fused.load_state_dict(chunked.state_dict())
    inputs = torch.randn(2, 1, 6, 6), torch.tensor([5, 900]), torch.tensor([0, 1])
    outputs = [model(*inputs) for model in (chunked, fused)]
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-3, atol=1e-4)
    for output in outputs:
        output.cos().sum().backward()
    for (name, expected), found in zip(chunked.named_parameters(), fused.parameters(), strict=True):
        assert found.grad is not None
        assert expected.grad is not None
        far = (found.grad - expected.grad).norm() - 2e-3 * expected.grad.norm()
        assert far < 1e-5, name


def test_flops_count_only_the_parts_of_the_variant() -> None:
    assert "srem" not in built("causal").flops(1).by_component
    assert built("random-conv").flops(1) == built("four-directions").flops(1)
