"""The conditions of the paper's figures, as far as they are known, and how far a measurement departs from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from dig_bench.cell import Key, Mode, Precision

Figure = Literal["teaser", "size"]

NO_CONTENDER = "reference"
"""Backend that specifies an operation and is not built for speed: no claim is about it."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The likely conditions of a figure of the paper, which states none of them."""

    mode: Mode
    precisions: tuple[tuple[Precision, ...], ...]
    """Groups from the likeliest to the least likely; the precisions of one group are equally likely."""
    why: str


PROTOCOLS: Mapping[Figure, Protocol] = {
    "teaser": Protocol(
        mode="train",
        precisions=(("tf32", "fp32"), ("bf16", "fp16")),
        why="assumed to show training in fp32 (with or without TF32): version 1 of the paper speaks of training speed, "
        "the published script trains in fp32, and DiT's memory fits fp32 training at batch 1 with every attention map "
        "kept.",
    ),
    "size": Protocol(
        mode="forward",
        precisions=(("bf16", "fp16"), ("tf32", "fp32")),
        why="assumed to show inference in half precision: FlashAttention-2 supports no other, and training at the "
        "speed shown would need nearly the whole peak throughput of an A100 for Flash-DiT-XL.",
    ),
}

PUBLISHED_BACKEND = "fla"
"""Backend that the published DiG builds on."""

_OUR_BACKENDS = {
    PUBLISHED_BACKEND: "",
    "fused": "DiG with this suite's own kernels",
}
_EXECUTIONS = {
    # The paper's speeds at small resolutions exceed what a host launches kernel by kernel.
    "graph": "",
    "compile-graph": "torch.compile in a CUDA graph",
    "compile": "torch.compile",
    "eager": "eager mode, which includes kernel-launch overhead",
}


def departures(ours: Key, figure: Figure) -> list[str]:
    """Known differences of the conditions of DiG's cells from those of the figure, the most serious first."""
    return [words for _, words in _ranks(ours, figure) if words]


def distance(ours: Key, figure: Figure) -> tuple[int, ...]:
    """Sort key of the conditions of DiG's cells: those nearest to the paper's come first."""
    return tuple(rank for rank, _ in _ranks(ours, figure))


def _ranks(ours: Key, figure: Figure) -> Iterator[tuple[int, str]]:
    """Yields a distance from the paper's conditions for each respect, and the departure in words, empty for none."""
    paper = PROTOCOLS[figure]
    yield int(ours.device == "cpu"), "on a CPU" if ours.device == "cpu" else ""
    other_mode = ours.mode != paper.mode
    yield int(other_mode), f"{ours.mode} (the figure: probably {paper.mode})" if other_mode else ""
    group = next((index for index, group in enumerate(paper.precisions) if ours.precision in group), 9)
    likely = " or ".join(paper.precisions[0])
    yield group, f"{ours.precision} (the figure: probably {likely})" if group else ""
    # A tie within a group goes to the precision that stands first.
    yield ([*map(str, paper.precisions[group])].index(ours.precision) if group < 9 else 0), ""
    backends = list(_OUR_BACKENDS)
    rank = backends.index(ours.backend) if ours.backend in backends else len(backends)
    yield rank, _OUR_BACKENDS.get(ours.backend, f"DiG with the backend {ours.backend}")
    yield list(_EXECUTIONS).index(ours.execution), _EXECUTIONS[ours.execution]
    yield ours.batch_size, ""
