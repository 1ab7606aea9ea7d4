"""Computes the core of a DiG mixer: everything between its input projections and its output projection.

All implementations have the signature

    gla_mixer(projected_BTP, gate_up_HKxR, gate_bias_HK, norm_weight_V, grid, order) -> y_BTHV

with B batch, T tokens in image order, H heads, K = 32 key and V = 64 value channels of a head, R = 16 the rank of the
forget gate. `projected` is the output of one GEMM. It holds, in this order, q (H K channels), k (H K), v (H V), the
swish gate g (H V) and the low-rank input of the forget gate (R): P = H (2 K + 2 V) + R channels. `grid` is (rows,
columns), `order` a scan order as in kernels/scan_index.py. y is flattened to (B, T, H V):

    log_decay = logsigmoid(low_rank @ gate_up^T + gate_bias) / 16
    o = gated_linear_attention(q, k, v, log_decay)      causal along the scan, arXiv 2312.06635
    y = rms_norm(o) * norm_weight * silu(g)             norm over the V channels of a head

`fused` divides the sequence into segments. Up to 16 states between segments (`few`), each program of the output kernel
computes its start state itself; more (`many`), and in training, a separate launch scans the states.
"""

from dig_models.kernels.op import FEW_OR_MANY, Implementation, KernelOp

KEY_CHANNELS = 32
VALUE_CHANNELS = 64
GATE_RANK = 16
GATE_NORMALIZER = 16
NORM_EPS = 1e-6

GLA_MIXER = KernelOp(
    "gla_mixer",
    {
        "reference": Implementation(module=f"{__name__}.reference", sequential=True),
        "fused": Implementation(
            module=f"{__name__}.fused",
            packages=("triton",),
            install="pip install triton",
            devices=("cuda",),
            precisions=("fp32", "tf32", "bf16"),
            variants=FEW_OR_MANY,
        ),
    },
)


def num_heads(channels: int) -> int:
    """Returns the heads of a `projected` tensor. Raises ValueError if its channels are not a whole number of heads."""
    head_channels = 2 * (KEY_CHANNELS + VALUE_CHANNELS)
    heads = (channels - GATE_RANK) // head_channels
    if heads < 1 or heads * head_channels + GATE_RANK != channels:
        raise ValueError(f"{channels} channels are not a whole number of heads of {head_channels} plus {GATE_RANK}")
    return heads
