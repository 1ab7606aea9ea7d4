# mypy: allow-untyped-defs
"""What the kernels that work on whole tokens share: which tokens a program takes, and the norm of a token.

A program walks a run of tokens of one image, a few at a time, with the image's vectors (shift, scale, gate) in
registers. What a gradient sums over tokens, it sums over its run, and leaves as one partial sum: no atomics, so the
result is the same bits each time.
"""

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from dig_models.kernels.launch import cdiv, next_power_of_2

RUN_SIZES = ("num_tokens", "run_tokens")
"""Plain numbers: a value that happens to be 1 or a multiple of 16 is not worth a binary of its own."""


# B batch, T tokens, D width
def token_runs(x_BTD: Tensor, programs: int, tile: int, **launch: int) -> tuple[tuple[int, int], dict[str, Any]]:
    """The grid (runs of an image, images), and the sizes that kernels take, beside what else is said of their launch.

    `programs` are the runs of all images together, as far as there are tokens: as many as an H100, of 132
    multiprocessors, holds at a time. `tile` is the channels, of all tokens, that a program has in hand at a time.
    """
    B, T, D = x_BTD.shape
    padded = next_power_of_2(D)
    tokens = max(1, tile // padded)
    tiles = cdiv(T, tokens)
    run_tiles = cdiv(B * tiles, programs)
    sizes = {"num_tokens": T, "run_tokens": run_tiles * tokens, "WIDTH": D, "TOKENS": tokens, "CHANNELS": padded}
    return (cdiv(tiles, run_tiles), B), sizes | launch


def vectors(x_BD: Tensor) -> Tensor:
    """As kernels read them: one for each image, in any stride. Views into adaLN's output are not copied."""
    return x_BD if x_BD.stride(-1) == 1 else x_BD.contiguous()


# T tokens of a tile, D channels padded to a power of two
@triton.jit
def run_of_program(num_tokens, run_tokens):
    """The run's first token and the token after its last."""
    first = tl.program_id(0) * run_tokens
    return first, tl.minimum(first + run_tokens, num_tokens)


@triton.jit
def first_of_image(num_tokens, WIDTH: tl.constexpr):
    """Offset of an image in a (B, T, D) tensor."""
    return tl.program_id(1).to(tl.int64) * num_tokens * WIDTH


@triton.jit
def tile(start, end, WIDTH: tl.constexpr, TOKENS: tl.constexpr, CHANNELS: tl.constexpr):
    """Offsets within an image of the tokens from `start` on, (T, D), and which of them exist."""
    token_T, channel_D = start + tl.arange(0, TOKENS), tl.arange(0, CHANNELS)
    exists_TD = (token_T < end)[:, None] & (channel_D < WIDTH)[None, :]
    return token_T[:, None] * WIDTH + channel_D[None, :], exists_TD


@triton.jit
def load(pointer, offset_TD, exists_TD):
    """In fp32, zero where there is nothing."""
    return tl.load(pointer + offset_TD, mask=exists_TD, other=0.0).to(tl.float32)


@triton.jit
def store(pointer, offset_TD, exists_TD, x_TD):
    tl.store(pointer + offset_TD, x_TD.to(pointer.dtype.element_ty), mask=exists_TD)


@triton.jit
def load_vector(pointer, stride, WIDTH: tl.constexpr, CHANNELS: tl.constexpr):
    """The image's vector, (1, D), in fp32."""
    channel_D = tl.arange(0, CHANNELS)
    pointer += tl.program_id(1).to(tl.int64) * stride
    return tl.load(pointer + channel_D, mask=channel_D < WIDTH, other=0.0).to(tl.float32)[None, :]


@triton.jit
def store_partial(partials, index, sums: tl.constexpr, x_TD, WIDTH: tl.constexpr, CHANNELS: tl.constexpr):
    """The sum over a tile's tokens to place `index` of the run's, in a (B, runs, sums, D) tensor."""
    channel_D = tl.arange(0, CHANNELS)
    run = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
    slot = partials + (run * sums + index) * WIDTH + channel_D
    tl.store(slot, tl.sum(x_TD, axis=0), mask=channel_D < WIDTH)


@triton.jit
def statistics_of(statistics, start, num_tokens, TOKENS: tl.constexpr):
    """Addresses of the tokens' means, and of their inverse deviations, in a (2, B, T) tensor."""
    means = statistics + tl.program_id(1) * num_tokens + start + tl.arange(0, TOKENS)
    return means, means + tl.num_programs(1) * num_tokens


@triton.jit
def store_statistics(statistics, mean_T, inverse_T, start, end, num_tokens, TOKENS: tl.constexpr):
    means, inverses = statistics_of(statistics, start, num_tokens, TOKENS)
    in_run_T = start + tl.arange(0, TOKENS) < end
    tl.store(means, mean_T, mask=in_run_T)
    tl.store(inverses, inverse_T, mask=in_run_T)


@triton.jit
def layer_norm(x_TD, exists_TD, WIDTH: tl.constexpr, EPS: tl.constexpr):
    """The normal tokens (T, D), their means and inverse deviations (T,)."""
    mean_T = tl.sum(x_TD, axis=1) / WIDTH
    centred_TD = tl.where(exists_TD, x_TD - mean_T[:, None], 0.0)
    inverse_T = tl.rsqrt(tl.sum(centred_TD * centred_TD, axis=1) / WIDTH + EPS)
    return centred_TD * inverse_T[:, None], mean_T, inverse_T


@triton.jit
def layer_norm_gradient(normal_gradient_TD, normal_TD, inverse_T, WIDTH: tl.constexpr):
    """The gradient of x: that of the normal tokens, less its mean and its part along them."""
    mean_T = tl.sum(normal_gradient_TD, axis=1) / WIDTH
    along_T = tl.sum(normal_gradient_TD * normal_TD, axis=1) / WIDTH
    return (normal_gradient_TD - mean_T[:, None] - normal_TD * along_T[:, None]) * inverse_T[:, None]


@triton.jit
def normal_again(x_TD, exists_TD, statistics, start, end, num_tokens, TOKENS: tl.constexpr):
    """What layer_norm returned first and last, from the statistics it left."""
    means, inverses = statistics_of(statistics, start, num_tokens, TOKENS)
    in_run_T = start + tl.arange(0, TOKENS) < end
    mean_T = tl.load(means, mask=in_run_T, other=0.0)
    inverse_T = tl.load(inverses, mask=in_run_T, other=0.0)
    return tl.where(exists_TD, (x_TD - mean_T[:, None]) * inverse_T[:, None], 0.0), inverse_T
