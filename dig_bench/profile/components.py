"""Components of the architectures: maps a module and an operation to the component that they work for."""

from __future__ import annotations

import re

PATCHIFY, CONDITIONING, NORM, PROJECTIONS, CONV1D, CORE, REORDER, SREM, MLP, RESIDUAL, RESAMPLE, SKIP, FINAL = (
    COMPONENTS
) = (
    "patchify",
    "conditioning",
    "norm_modulate",
    "mixer_projections",
    "conv1d",
    "mixer_core",
    "scan_reorder",
    "srem",
    "mlp",
    "residual_gates",
    "resample",
    "skip",
    "final_layer",
)
"""Components in the order in which data passes.

A fused kernel of two components counts for the first one in the name of its operation: gate_residual_norm_modulate for
the residual, residual_conv_norm_modulate for SREM.
"""

OPTIMIZER, GRADIENTS, OUTSIDE = "optimizer", "gradient_accumulation", "outside_modules"
"""Work of a step outside the architecture."""

MIXERS = {"attn": CORE, "mixer": CORE}
"""Modules that hold modules of other components, and whose own work is divided by operation."""

MODULES = {
    "x_embedder": PATCHIFY,
    "patch_embed": PATCHIFY,
    "t_embedder": CONDITIONING,
    "y_embedder": CONDITIONING,
    "time_embed": CONDITIONING,
    "label_emb": CONDITIONING,
    "conditions": CONDITIONING,
    "final_layer": FINAL,
    "mlp": MLP,
    "dw_conv": SREM,
    "skip_linear": SKIP,
    "joins": SKIP,
    "downs": RESAMPLE,
    "ups": RESAMPLE,
    "norm": NORM,
    "norm_f": NORM,
    **dict.fromkeys(("q_proj", "k_proj", "v_proj", "g_proj", "gk_proj", "o_proj", "qkv", "proj"), PROJECTIONS),
    **dict.fromkeys(("in_proj", "x_proj", "x_proj_b", "dt_proj", "dt_proj_b", "out_proj"), PROJECTIONS),
}
"""Name of a module anywhere in a path -> component; the outermost module decides."""

MODULATION = "adaLN_modulation"
"""Name of modules that are conditioning anywhere in a path."""

BLOCKS = {"blocks", "in_blocks", "mid_block", "out_blocks", "stages", "downsamples", "upsamples"}
"""Containers of blocks, whose own work is gates and residuals."""

OPERATIONS = {
    "patch_embed": PATCHIFY,
    "adaln_modulation": CONDITIONING,
    "norm_modulate": NORM,
    "attention": CORE,
    "gated_linear_attention": CORE,
    "gated_norm": CORE,
    "gla_mixer": CORE,
    "selective_scan": CORE,
    "causal_conv": CONV1D,
    "residual_norm": NORM,
    "gate_residual": RESIDUAL,
    "gate_residual_norm_modulate": RESIDUAL,
    "residual_conv": SREM,
    "residual_conv_norm_modulate": SREM,
    "swiglu_mlp": MLP,
    "linear_gelu": MLP,
}
"""Name of a KernelOp -> component, where the module does not decide."""

MATMULS = re.compile(r"aten::(mm|addmm|bmm|baddbmm|matmul|linear|_addmm_activation)\b")
CONVOLUTIONS = re.compile(r"aten::_?(\w+_)?conv(olution|1d|2d|_depthwise\w*)?(_overrideable)?\b")
MOVES = re.compile(r"aten::(flip|clone|copy_|contiguous|index|index_select|gather|roll)\b")
JOINS = re.compile(r"aten::cat\b")


def component_of(scope: str, op: str = "") -> str:
    """Returns the component of work in a scope.

    `scope` is a module's path and, after a colon, a KernelOp: `blocks.3.attn:gla_mixer`. `op` is PyTorch's name of the
    operator, `aten::mm`. An unknown module is a component of its own, named by its path without numbers: `steps.conv`.
    """
    path, _, operation = scope.partition(":")
    names = [name for name in path.split(".") if name and not name.isdigit()]
    if MODULATION in names:
        return CONDITIONING
    for index, name in enumerate(names):
        if name in MIXERS:
            inner = next((MODULES[each] for each in names[index + 1 :] if each in MODULES), None)
            return inner or OPERATIONS.get(operation) or _of_mixer(op)
        if name in MODULES:
            return MODULES[name]
    if operation:
        return OPERATIONS.get(operation, operation)
    if names and names[-1] in BLOCKS:
        return RESIDUAL
    return ".".join(names) if names else _of_network(op)


def block_of(scope: str) -> str:
    """Returns `blocks.3` for work in the fourth block; empty outside of blocks."""
    found = re.match(r"(\w+\.\d+|mid_block)\b", scope)
    return found[0] if found else ""


def _of_mixer(op: str) -> str:
    """Divides a mixer's own work: matmuls and the joining of their weights are projections, the convolution is Mamba's,
    and moves of tokens are the scan's reordering."""
    if MATMULS.match(op) or JOINS.match(op):
        return PROJECTIONS
    if CONVOLUTIONS.match(op):
        return CONV1D
    return REORDER if MOVES.match(op) else CORE


def _of_network(op: str) -> str:
    return REORDER if op.startswith("aten::flip") else OUTSIDE
