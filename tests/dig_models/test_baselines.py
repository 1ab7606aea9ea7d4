"""Operations of the baselines fla, mamba-ssm, cuDNN and FlashAttention: specifications by hand, layouts, names."""

import math

import pytest
import torch
from torch import Tensor, nn

from dig_models import CATALOG, DiG, DiGConfig, DiS, DiT, DiTConfig
from dig_models.kernels.causal_conv import CAUSAL_CONV
from dig_models.kernels.gated_norm import GATED_NORM
from dig_models.kernels.residual_norm import RESIDUAL_NORM
from helpers import moved

SIZES = {"latent_size": 8, "patch_size": 2, "width": 64, "depth": 4, "num_classes": 10}


def test_gated_norm_by_hand() -> None:
    o, gate, weight = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 2.0]), torch.tensor([5.0, 7.0])
    rms, silu = 12.5**0.5, 2 / (1 + math.exp(-2))
    found = GATED_NORM["reference"](o.view(1, 1, 1, 2), gate.view(1, 1, 1, 2), weight)
    torch.testing.assert_close(found, torch.tensor([0.0, 4 / rms * 7 * silu]).view(1, 1, 1, 2))


def test_causal_conv_by_hand() -> None:
    x, weight, bias = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[10.0, 1.0]]]), torch.tensor([0.5])
    expected = torch.tensor([[[1.5, 12.5, 23.5]]])
    torch.testing.assert_close(CAUSAL_CONV["reference"](x, weight, bias), expected * expected.sigmoid())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_residual_norm_adds_in_fp32_and_norms_the_sum(dtype: torch.dtype) -> None:
    x, residual = torch.tensor([[[3.0, 0.0]]], dtype=dtype), torch.tensor([[[2.0**-10, 4.0]]])
    normed, total = RESIDUAL_NORM["reference"](x, residual, torch.tensor([1.0, 2.0], dtype=dtype))
    assert (normed.dtype, total.dtype) == (dtype, torch.float32)
    assert torch.equal(total, torch.tensor([[[3 + 2.0**-10, 4.0]]]))
    torch.testing.assert_close(normed.float(), torch.tensor([[[3, 8.0]]]) / 12.5**0.5, rtol=1e-2, atol=0)


def token_layouts(model: nn.Module) -> list[bool]:
    """Runs a forward pass. Returns whether each block has output tokens one after the other in memory."""
    found = []
    for block in model.get_submodule("blocks").children():
        block.register_forward_hook(lambda _, arguments, output: found.append(output.is_contiguous()))
    with torch.no_grad():
        model(torch.randn(2, 4, 8, 8), torch.tensor([7, 300]), torch.tensor([1, 2]))
    return found


def test_tokens_stay_adjacent_in_memory() -> None:
    """Blocks would otherwise keep the image layout of the patch embedding, and every kernel would copy them."""
    dit = moved(DiT(DiTConfig(**SIZES, num_heads=2), backend="math"))
    dig = moved(DiG(DiGConfig(**SIZES, num_heads=1), backend="chunked"))
    assert token_layouts(dit) == token_layouts(dig) == [True] * 4


def test_attention_reads_its_heads_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """One GEMM computes q, k and v, and the attention is given views of its output."""
    from dig_models.layers import attention

    given: list[Tensor] = []

    def watch(*heads: Tensor) -> Tensor:
        given.extend(heads)
        return heads[2]

    monkeypatch.setattr(attention, "ATTENTION", {"math": watch})
    attention.Attention(64, 2, "math")(torch.randn(1, 5, 64))
    assert len({tensor.untyped_storage().data_ptr() for tensor in given}) == 1


def test_backends_of_the_published_packages_take_their_fused_kernels() -> None:
    fla = DiG.backends["fla"]
    assert {name for name, chosen in fla.items() if chosen == "fla"} == {
        "gated_linear_attention",
        "gated_norm",
        "swiglu_mlp",
    }
    assert DiS.backends["mamba-ssm"] == dict.fromkeys(("selective_scan", "causal_conv", "residual_norm"), "mamba-ssm")


def test_fused_backends_of_dit_differ_by_their_attention_only() -> None:
    fused, with_flash3 = DiT.backends["fused"], DiT.backends["fused-flash3"]
    assert (fused["attention"], with_flash3["attention"]) == ("cudnn", "flash3")
    assert fused | {"attention": "flash3"} == with_flash3
    reason = CATALOG["DiT-S/2"].architecture.unavailable("fused-flash3", device="cuda", mode="train", precision="bf16")
    assert reason is not None
