"""Component of the architecture that a module's work, or an operation's, counts for."""

import pytest

from dig_bench.profile.components import (
    CONDITIONING,
    CORE,
    FINAL,
    MLP,
    NORM,
    OUTSIDE,
    PATCHIFY,
    PROJECTIONS,
    REORDER,
    RESIDUAL,
    SKIP,
    SREM,
    block_of,
    component_of,
)


@pytest.mark.parametrize(
    ("scope", "op", "component"),
    [
        ("x_embedder.proj", "aten::convolution", PATCHIFY),
        (":patch_embed", "aten::linear", PATCHIFY),
        ("t_embedder.mlp.0", "aten::linear", CONDITIONING),
        ("blocks.3.adaLN_modulation.1", "aten::linear", CONDITIONING),
        (":adaln_modulation", "aten::linear", CONDITIONING),
        ("blocks.3.attn.q_proj", "aten::linear", PROJECTIONS),
        ("blocks.3.attn:gated_linear_attention", "aten::mm", CORE),
        ("blocks.3.attn", "aten::mm", PROJECTIONS),
        ("blocks.3.attn", "aten::flip", REORDER),
        ("blocks.3.attn.dw_conv", "aten::convolution", SREM),
        ("blocks.3.mlp.fc1", "aten::linear", MLP),
        ("blocks.3:norm_modulate", "aten::native_layer_norm", NORM),
        ("blocks.3:gate_residual_norm_modulate", "aten::add", RESIDUAL),
        ("blocks.3:residual_conv", "aten::add", SREM),
        ("blocks.3:residual_conv_norm_modulate", "aten::add", SREM),
        ("blocks.3", "aten::mul", RESIDUAL),
        ("blocks.3:gla_mixer", "dig_models::gla_mixer", CORE),
        ("out_blocks.2.skip_linear", "aten::linear", SKIP),
        ("final_layer.linear", "aten::linear", FINAL),
        ("", "aten::flip", REORDER),
        ("", "aten::mul", OUTSIDE),
        ("steps.4.conv", "aten::convolution", "steps.conv"),
        ("steps.4.conv:my_operation", "aten::mul", "my_operation"),
    ],
)
def test_work_counts_for_a_component(scope: str, op: str, component: str) -> None:
    assert component_of(scope, op) == component


@pytest.mark.parametrize(
    ("scope", "block"),
    [("blocks.3.attn.q_proj", "blocks.3"), ("mid_block.mlp", "mid_block"), ("final_layer.linear", ""), ("", "")],
)
def test_work_belongs_to_a_block_or_to_none(scope: str, block: str) -> None:
    assert block_of(scope) == block
