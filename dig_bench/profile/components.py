"""What part of the architecture a piece of work belongs to, from the module and the operation that it was done in."""

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
"""Of the networks here, in the order in which data passes. Where a fused kernel does the work of two, it counts for the
first that its operation names: gate_residual_norm_modulate for the residual, residual_conv_norm_modulate for SREM."""

OPTIMIZER, GRADIENTS, OUTSIDE = "optimizer", "gradient_accumulation", "outside_modules"
"""What else a step does."""

MIXERS = {"attn": CORE, "mixer": CORE}
"""Modules whose own work is told apart by operation, and that hold modules of other components."""

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
"""By the name of a module anywhere in a path; the outermost decides."""

MODULATION = "adaLN_modulation"
"""Conditioning, wherever it stands."""

BLOCKS = {"blocks", "in_blocks", "mid_block", "out_blocks", "stages", "downsamples", "upsamples"}
"""Containers whose own work is gates and residuals."""

OPERATIONS = {
    "patch_embed": PATCHIFY,
    "adaln_modulation": CONDITIONING,
    "norm_modulate": NORM,
    "attention": CORE,
    "gated_linear_attention": CORE,
    "gla_mixer": CORE,
    "selective_scan": CORE,
    "gate_residual": RESIDUAL,
    "gate_residual_norm_modulate": RESIDUAL,
    "residual_conv": SREM,
    "residual_conv_norm_modulate": SREM,
    "swiglu_mlp": MLP,
    "linear_gelu": MLP,
}
"""By the name of a KernelOp, where the module does not decide."""

PRODUCTS = re.compile(r"aten::(mm|addmm|bmm|baddbmm|matmul|linear|_addmm_activation)\b")
CONVOLUTIONS = re.compile(r"aten::_?(\w+_)?conv(olution|1d|2d|_depthwise\w*)?(_overrideable)?\b")
MOVES = re.compile(r"aten::(flip|clone|copy_|contiguous|index|index_select|gather|roll)\b")
JOINS = re.compile(r"aten::cat\b")


def component_of(scope: str, op: str = "") -> str:
    """Of work done in `scope`, a module's path and, behind a colon, the KernelOp in it: `blocks.3.attn:gla_mixer`.

    `op` is PyTorch's name of what did it, `aten::mm`. Modules that nobody here has heard of are components themselves,
    named by their path without its numbers: `steps.conv`.
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
    """`blocks.3`, for work done in the fourth block; empty outside of blocks."""
    found = re.match(r"(\w+\.\d+|mid_block)\b", scope)
    return found[0] if found else ""


def _of_mixer(op: str) -> str:
    """A mixer's own products are projections, as is what joins their weights; its convolution is that of Mamba, and
    where it moves tokens it changes their order."""
    if PRODUCTS.match(op) or JOINS.match(op):
        return PROJECTIONS
    if CONVOLUTIONS.match(op):
        return CONV1D
    return REORDER if MOVES.match(op) else CORE


def _of_network(op: str) -> str:
    return REORDER if op.startswith("aten::flip") else OUTSIDE
