"""The core of a DiG mixer: all that stands between its input projections and its output projection.

All implementations take and return

    gla_mixer(projected_BTP, gate_up_HKxR, gate_bias_HK, norm_weight_V, grid, order) -> y_BTHV

with B batch, T tokens in image order, H heads, K = 32 key and V = 64 value channels of a head, R = 16 the rank of the
forget gate. `projected` holds, in this order, q (H K channels), k (H K), v (H V), the swish gate g (H V) and the low
rank of the forget gate (R): P = H (2 K + 2 V) + R channels, of one matrix product. `grid` is (rows, columns), `order`
a scan order as in kernels/scan_index.py. y is flattened to (B, T, H V). It is

    log_decay = logsigmoid(low_rank @ gate_up^T + gate_bias) / 16
    o = gated_linear_attention(q, k, v, log_decay)      causal along the scan, arXiv 2312.06635
    y = rms_norm(o) * norm_weight * silu(g)             the norm over the V channels of a head
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
        "reference": Implementation(module=f"{__name__}.reference"),
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
    """Heads of a `projected` tensor of so many channels. ValueError when they are no whole number."""
    head_channels = 2 * (KEY_CHANNELS + VALUE_CHANNELS)
    heads = (channels - GATE_RANK) // head_channels
    if heads < 1 or heads * head_channels + GATE_RANK != channels:
        raise ValueError(f"{channels} channels are no whole number of heads of {head_channels}, and {GATE_RANK}")
    return heads
