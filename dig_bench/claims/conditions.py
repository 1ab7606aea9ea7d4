"""Under which conditions a ratio was measured, and how far they are from what is known of the paper's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from dig_bench.cell import Cell, Mode, Precision

Figure = Literal["teaser", "size"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What the paper's figure was probably measured with; it states none of it."""

    mode: Mode
    precisions: tuple[tuple[Precision, ...], ...]
    """From the likeliest to the least likely; those in one group are equally likely."""
    why: str


PROTOCOLS: Mapping[Figure, Protocol] = {
    "teaser": Protocol(
        mode="train",
        precisions=(("tf32", "fp32"), ("bf16", "fp16")),
        why="taken for training in fp32 (with or without TF32 products): version 1 of the paper speaks of training "
        "speed, the published script trains in fp32, and DiT's memory fits fp32 training at batch 1 with every "
        "attention map kept.",
    ),
    "size": Protocol(
        mode="forward",
        precisions=(("bf16", "fp16"), ("tf32", "fp32")),
        why="taken for inference in half precision: FlashAttention-2 takes no other, and training at the speed shown "
        "would ask Flash-DiT-XL for nearly all that an A100 can do.",
    ),
}

PUBLISHED_BACKEND = "fla"
"""What the published DiG builds on."""

_OUR_BACKENDS = {
    PUBLISHED_BACKEND: "",
    "fused": "DiG by this suite's own kernels",
}
_EXECUTIONS = {
    # The paper's speeds at small resolutions are beyond what a host processes kernel by kernel.
    "graph": "",
    "compile": "compiled by torch.compile",
    "eager": "launched eagerly, the host's time is in it",
}


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Of one ratio: all that the two cells share, and the backend of each."""

    mode: Mode
    precision: str
    execution: str
    batch_size: int
    device: str
    """`cpu` or `cuda`."""
    device_name: str
    source: str
    """The results that it comes from."""
    ours: str
    """DiG-S/2@fla"""
    theirs: str
    """DiT-S/2@math"""

    @staticmethod
    def of(ours: Cell, theirs: str, *, device_name: str, source: str) -> Conditions:
        return Conditions(
            mode=ours.mode,
            precision=ours.precision,
            execution=ours.execution,
            batch_size=ours.batch_size,
            device=ours.device,
            device_name=device_name,
            source=source,
            ours=ours.name,
            theirs=theirs,
        )

    def __str__(self) -> str:
        return f"{self.protocol}, {self.device_name or self.device}"

    @property
    def protocol(self) -> str:
        execution = "CUDA graph" if self.execution == "graph" else self.execution
        return f"{self.mode}, {self.precision}, batch {self.batch_size}, {execution}"

    @property
    def pair(self) -> str:
        return f"{self.ours} to {self.theirs}"

    def departures(self, figure: Figure, against: str) -> list[str]:
        """From what is known of the paper's, the gravest first; `against` is the model@backend that the claim names."""
        return [words for _, words in self._steps(figure, against) if words]

    def distance(self, figure: Figure, against: str) -> tuple[int, ...]:
        """Sorts conditions, the paper's nearest first."""
        return tuple(place for place, _ in self._steps(figure, against))

    def _steps(self, figure: Figure, against: str) -> Iterator[tuple[int, str]]:
        paper = PROTOCOLS[figure]
        yield int(self.theirs != against), "" if self.theirs == against else f"against {self.theirs}"
        yield int(self.device == "cpu"), "on a CPU" if self.device == "cpu" else ""
        other_mode = self.mode != paper.mode
        yield int(other_mode), f"{self.mode} (the figure: probably {paper.mode})" if other_mode else ""
        group = next((index for index, group in enumerate(paper.precisions) if self.precision in group), 9)
        likely = " or ".join(paper.precisions[0])
        yield group, f"{self.precision} (the figure: probably {likely})" if group else ""
        # Within a group the first is taken when all else is equal.
        yield (paper.precisions[group].index(self.precision) if group < 9 else 0), ""
        backend = self.ours.partition("@")[2]
        place = list(_OUR_BACKENDS).index(backend) if backend in _OUR_BACKENDS else len(_OUR_BACKENDS)
        yield place, _OUR_BACKENDS.get(backend, f"DiG by its backend {backend}")
        yield list(_EXECUTIONS).index(self.execution), _EXECUTIONS[self.execution]
        yield self.batch_size, ""
