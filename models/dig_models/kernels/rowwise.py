# mypy: allow-untyped-defs
"""Shared parts of the row-wise kernels, which work on whole tokens: division of the tokens, loads, LayerNorm.

A program walks over a run of consecutive tokens of one image, one tile at a time, with the image's vectors (shift,
scale, gate) in registers. A gradient that sums over tokens is summed over the run and stored as one partial sum.
Without atomics, results are bitwise reproducible.
"""

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from dig_models.kernels.launch import cdiv, next_power_of_2

RUN_SIZES = ("num_tokens", "run_tokens")
"""Arguments that Triton does not specialize on: a value of 1 or a multiple of 16 compiles no binary of its own."""


# B batch, T tokens, D width
def token_runs(x_BTD: Tensor, programs: int, tile: int, **launch: int) -> tuple[tuple[int, int], dict[str, Any]]:
    """Returns the launch grid (runs of an image, images), and the keyword arguments of the kernel.

    `programs` is the number of runs of all images together, or less for few tokens: as many as an H100 with its 132
    multiprocessors runs at a time. `tile` is the number of values, tokens times channels, that a program loads at a
    time.
    """
    B, T, D = x_BTD.shape
    padded = next_power_of_2(D)
    tokens = max(1, tile // padded)
    tiles = cdiv(T, tokens)
    run_tiles = cdiv(B * tiles, programs)
    sizes = {"num_tokens": T, "run_tokens": run_tiles * tokens, "WIDTH": D, "TOKENS": tokens, "CHANNELS": padded}
    return (cdiv(tiles, run_tiles), B), sizes | launch


def vectors(x_BD: Tensor) -> Tensor:
    """Returns vectors (B, D) with contiguous channels. Does not copy views of adaLN's output, whatever their stride."""
    return x_BD if x_BD.stride(-1) == 1 else x_BD.contiguous()


# T tokens of a tile, D channels padded to a power of two
@triton.jit
def run_of_program(num_tokens, run_tokens):
    """Returns the first token of the run, and the token after its last."""
    first = tl.program_id(0) * run_tokens
    return first, tl.minimum(first + run_tokens, num_tokens)


@triton.jit
def first_of_image(num_tokens, WIDTH: tl.constexpr):
    """Returns the offset of the program's image in a (B, T, D) tensor."""
    return tl.program_id(1).to(tl.int64) * num_tokens * WIDTH


@triton.jit
def tile(start, end, WIDTH: tl.constexpr, TOKENS: tl.constexpr, CHANNELS: tl.constexpr):
    """Returns the offsets (T, D) of the tokens from `start` on within an image, and the mask of those that exist."""
    token_T, channel_D = start + tl.arange(0, TOKENS), tl.arange(0, CHANNELS)
    exists_TD = (token_T < end)[:, None] & (channel_D < WIDTH)[None, :]
    return token_T[:, None] * WIDTH + channel_D[None, :], exists_TD


@triton.jit
def load(pointer, offset_TD, exists_TD):
    """Loads a tile in fp32, with zeros outside of the mask."""
    return tl.load(pointer + offset_TD, mask=exists_TD, other=0.0).to(tl.float32)


@triton.jit
def store(pointer, offset_TD, exists_TD, x_TD):
    tl.store(pointer + offset_TD, x_TD.to(pointer.dtype.element_ty), mask=exists_TD)


@triton.jit
def load_vector(pointer, stride, WIDTH: tl.constexpr, CHANNELS: tl.constexpr):
    """Loads the vector of the image, (1, D), in fp32."""
    channel_D = tl.arange(0, CHANNELS)
    pointer += tl.program_id(1).to(tl.int64) * stride
    return tl.load(pointer + channel_D, mask=channel_D < WIDTH, other=0.0).to(tl.float32)[None, :]


@triton.jit
def store_partial(partials, index, sums: tl.constexpr, x_TD, WIDTH: tl.constexpr, CHANNELS: tl.constexpr):
    """Stores the sum over the tokens of a tile as sum `index` of the run, in a (B, runs, sums, D) tensor."""
    channel_D = tl.arange(0, CHANNELS)
    run = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
    slot = partials + (run * sums + index) * WIDTH + channel_D
    tl.store(slot, tl.sum(x_TD, axis=0), mask=channel_D < WIDTH)


@triton.jit
def statistics_of(statistics, start, num_tokens, TOKENS: tl.constexpr):
    """Returns the addresses of the tokens' means and inverse standard deviations in a (2, B, T) tensor."""
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
    """Returns the normalized tokens (T, D), their means and inverse standard deviations (T,)."""
    mean_T = tl.sum(x_TD, axis=1) / WIDTH
    centred_TD = tl.where(exists_TD, x_TD - mean_T[:, None], 0.0)
    inverse_T = tl.rsqrt(tl.sum(centred_TD * centred_TD, axis=1) / WIDTH + EPS)
    return centred_TD * inverse_T[:, None], mean_T, inverse_T


@triton.jit
def layer_norm_gradient(normal_gradient_TD, normal_TD, inverse_T, WIDTH: tl.constexpr):
    """Returns the gradient of x from the gradient of the normalized tokens."""
    mean_T = tl.sum(normal_gradient_TD, axis=1) / WIDTH
    along_T = tl.sum(normal_gradient_TD * normal_TD, axis=1) / WIDTH
    return (normal_gradient_TD - mean_T[:, None] - normal_TD * along_T[:, None]) * inverse_T[:, None]


@triton.jit
def normal_again(x_TD, exists_TD, statistics, start, end, num_tokens, TOKENS: tl.constexpr):
    """Recomputes the normalized tokens and their inverse standard deviations from the stored statistics."""
    means, inverses = statistics_of(statistics, start, num_tokens, TOKENS)
    in_run_T = start + tl.arange(0, TOKENS) < end
    mean_T = tl.load(means, mask=in_run_T, other=0.0)
    inverse_T = tl.load(inverses, mask=in_run_T, other=0.0)
    return tl.where(exists_TD, (x_TD - mean_T[:, None]) * inverse_T[:, None], 0.0), inverse_T
