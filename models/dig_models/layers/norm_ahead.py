"""The norm that begins an adaLN block, done with the end of the block before it where a kernel does both.

A block has two plain attributes for it: `norms_ahead`, whether it can do the next one's, and `begins_with_norm`,
whether nothing comes before its own.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import Tensor, nn


# B batch, T tokens, D width, M channels of all six modulation vectors
class Modulation(NamedTuple):
    """Of the first norm of the block that follows, (B, D) each."""

    shift: Tensor
    scale: Tensor


class Normed(NamedTuple):
    """What a block that was given a Modulation returns, and the one that follows takes in the place of tokens.

    (B, T, D) each: the tokens, and what the norm makes of them.
    """

    tokens: Tensor
    normed: Tensor


def linked(
    blocks: Sequence[nn.Module], modulations: Sequence[Tensor]
) -> Iterator[tuple[nn.Module, Tensor, Modulation | None]]:
    """Blocks that take each other's output as it is: each with its modulations (B, M) and, where it can norm for the
    next one, what it needs for that."""
    for index, (block, modulation_BM) in enumerate(zip(blocks, modulations, strict=True)):
        ahead = None
        if block.norms_ahead and index + 1 < len(blocks) and blocks[index + 1].begins_with_norm:
            ahead = Modulation(*modulations[index + 1].chunk(6, dim=1)[:2])
        yield block, modulation_BM, ahead


def tokens_of(x: Tensor | Normed) -> Tensor:
    return x.tokens if isinstance(x, Normed) else x
