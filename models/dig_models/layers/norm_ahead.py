"""The norm that begins an adaLN block, computed at the end of the block before it if one kernel does both.

A block has two attributes for this: `norms_ahead` if it can compute the first norm of the next block, and
`begins_with_norm` if nothing precedes its own.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import Tensor, nn


# B batch, T tokens, D width, M channels of all six modulation vectors
class Modulation(NamedTuple):
    """Shift and scale of the first norm of the next block, (B, D) each."""

    shift: Tensor
    scale: Tensor


class Normed(NamedTuple):
    """Tokens, and the same tokens normed and modulated, (B, T, D) each.

    A block that is given a Modulation returns this, and the next block takes it in place of tokens.
    """

    tokens: Tensor
    normed: Tensor


def linked(
    blocks: Sequence[nn.Module], modulations: Sequence[Tensor]
) -> Iterator[tuple[nn.Module, Tensor, Modulation | None]]:
    """Yields each block with its modulations (B, M), and the Modulation of the next block if it can norm for that.

    Each block has to take the output of the one before it unchanged.
    """
    for index, (block, modulation_BM) in enumerate(zip(blocks, modulations, strict=True)):
        ahead = None
        if block.norms_ahead and index + 1 < len(blocks) and blocks[index + 1].begins_with_norm:
            ahead = Modulation(*modulations[index + 1].chunk(6, dim=1)[:2])
        yield block, modulation_BM, ahead


def tokens_of(x: Tensor | Normed) -> Tensor:
    return x.tokens if isinstance(x, Normed) else x
