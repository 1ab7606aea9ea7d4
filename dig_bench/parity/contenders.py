"""Who trains against whom: `DiG-T/2@fused`, or a variant of the ablation, `DiG-T/2-causal`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dig_bench.parity.ablation import ablated
from dig_bench.train import models
from dig_models import DiG, DiGConfig, Model, suggest

CHOICES: dict[str, Model] = models.FOR_DIGITS | {
    variant: model
    for name, plain in models.FOR_DIGITS.items()
    if plain.architecture is DiG and isinstance(plain.config, DiGConfig)
    for variant, model in ablated(name, plain.config).items()
}

PRECISIONS = {"cpu": "fp32", "cuda": "tf32"}
"""What a contest is trained in."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    model: str
    backend: str

    @property
    def name(self) -> str:
        return f"{self.model}@{self.backend}"

    @property
    def choice(self) -> Model:
        return CHOICES[self.model]


def parse(names: Iterable[str], device: str) -> list[Contender]:
    """Without an @ a model takes what suits the device type. ValueError, with the choices, for unknown names, for the
    same one twice, and for a backend that cannot train there."""
    contenders = [_parse(name, device) for name in names]
    for contender in contenders:
        if contenders.count(contender) > 1:
            raise ValueError(f"{contender.name} is named twice")
        architecture = contender.choice.architecture
        if reason := architecture.unavailable(
            contender.backend, device=device, mode="train", precision=PRECISIONS[device]
        ):
            raise ValueError(f"{contender.name} cannot be trained here: {reason}")
    return contenders


def _parse(name: str, device: str) -> Contender:
    model, at, backend = name.partition("@")
    if model not in CHOICES:
        raise ValueError(f"no model for digits {suggest(model, CHOICES)}")
    architecture = CHOICES[model].architecture
    backend = backend if at else architecture.suited_backend(device=device, precision=PRECISIONS[device])
    if backend not in architecture.backends:
        raise ValueError(f"{model} has no backend {suggest(backend, architecture.backends)}")
    return Contender(model=model, backend=backend)
