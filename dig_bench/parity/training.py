"""A training whose every random draw is the contest's, not the contender's: order of the data, noise, dropped labels.

Steps are CUDA graphs on a GPU: small networks would otherwise be a measurement of the host. All data is on the device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from dig_bench.parity.contenders import Contender
from dig_bench.run.step import Step, capture
from dig_bench.train.data import Labelled, order
from dig_bench.train.diffusion import Diffusion
from dig_bench.train.recipe import Draws, adamw, hybrid_loss, learning_rate_at, some_dropped, update_averages
from dig_models import Backbone

MOST_IMAGES = 2**30
"""Of all steps: their order is drawn before the first."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What every contender gets. The learning rate is constant after a linear warm-up of a twentieth of the steps.

    ValueError for values that make no sense.
    """

    steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 1e-3
    ema_decay: float = 0.995
    """Of the weights that are sampled from: far below DiT's 0.9999, which forgets no start in so few steps."""
    label_dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is positive, not {getattr(self, name)}")
        if self.steps * self.batch_size > MOST_IMAGES:
            raise ValueError(f"a training takes {MOST_IMAGES:,} images at most, not {self.steps * self.batch_size:,}")
        if not (0 <= self.ema_decay < 1 and 0 <= self.label_dropout < 1):
            raise ValueError("ema_decay and label_dropout go from 0 to below 1")


@dataclass(frozen=True, kw_only=True)
class Trained:
    model: Backbone
    """With the averaged weights, in evaluation mode."""
    losses: tuple[float, ...]
    """L_simple + L_vlb of every step."""
    seconds: float
    """Of the steps, without the first call and the capture."""
    preparation_s: float
    """Of the first call, which compiles, and of the capture."""


def train(contender: Contender, data: Labelled, budget: Budget, *, seed: int, device: str) -> Trained:
    """ValueError when the loss is not finite: no verdict rests on a broken run."""
    torch.manual_seed(seed)
    with torch.device(device):
        model = contender.choice.architecture(contender.choice.config, backend=contender.backend)
    training = _Training(model, data, budget, seed=seed, device=device)
    prepared = perf_counter()
    step = training.prepared()
    begin = perf_counter()
    for index in range(budget.steps):
        training.draw(index)
        step()
    # Reading the losses waits for the last step.
    losses = training.losses.tolist()
    seconds = perf_counter() - begin
    if not torch.tensor(losses).isfinite().all():
        raise ValueError(f"{contender.name}, seed {seed}: the loss is not finite")
    with torch.no_grad():
        for parameter, average in zip(model.parameters(), training.averages, strict=True):
            parameter.copy_(average)
    return Trained(
        model=model.eval().requires_grad_(False),
        losses=tuple(losses),
        seconds=seconds,
        preparation_s=begin - prepared,
    )


# B batch, C channels, H W height and width, S steps
class _Training:
    """Tensors that stay where they are, which a captured step reads and writes."""

    def __init__(self, model: Backbone, data: Labelled, budget: Budget, *, seed: int, device: str) -> None:
        self.model, self.budget, self.device = model, budget, device
        # The network's own dropping of labels would draw from a generator of its own.
        model.eval()
        self.parameters: list[Tensor] = list(model.parameters())
        self.averages = [parameter.detach().clone() for parameter in self.parameters]
        self.images, self.labels = data.images.to(device), data.labels.to(device)
        self.diffusion = Diffusion.linear(device)
        picked = order.batches(len(self.images), budget.batch_size, seed=seed)
        # Mirrored digits are no digits: only the order counts.
        order_SB = [[pick.number for pick in batch] for batch in islice(picked, budget.steps)]
        self.order_SB = torch.tensor(order_SB, device=device)
        self.image = self.images[self.order_SB[0]]
        self.label = self.labels[self.order_SB[0]]
        self.draws = Draws(self.image.shape, seed=seed, device=device)
        self.losses = torch.zeros(budget.steps, device=device)
        self.done = torch.zeros(1, dtype=torch.long, device=device)
        self.rate = torch.zeros((), device=device)
        self.optimizer = adamw(self.parameters, learning_rate=self.rate, capturable=device == "cuda")

    def draw(self, index: int) -> None:
        """The inputs of a step."""
        chosen_B = self.order_SB[index]
        self.draws.fill(index)
        self.image.copy_(self.images[chosen_B])
        budget = self.budget
        null_label = self.model.config.num_classes
        self.label.copy_(some_dropped(self.labels[chosen_B], self.draws.chance, budget.label_dropout, null_label))
        self.rate.fill_(learning_rate_at(index, learning_rate=budget.learning_rate, warmup=budget.steps // 20))

    def prepared(self) -> Step:
        """The step, compiled and captured where that is possible, as if it had not run yet."""
        step = Step(parts={"forward": self._forward, "backward": self._backward, "update": self._update}, outputs=[])
        self._outputs = step.outputs
        if self.device != "cuda":
            return step
        before = [parameter.detach().clone() for parameter in self.parameters]
        step()
        step = capture(step)
        self._forget(before)
        return step

    def _forward(self) -> None:
        self._outputs.clear()
        draws = self.draws
        loss = hybrid_loss(self.diffusion, self.model, self.image, draws.noise, draws.timestep, self.label)
        self._outputs.append(loss)

    def _backward(self) -> None:
        self._outputs[0].backward()

    @torch.no_grad()
    def _update(self) -> None:
        self.losses.index_copy_(0, self.done, self._outputs[0].detach()[None])
        # The steps before the capture have nowhere to go but the last place, which a later one overwrites.
        self.done.add_(1).clamp_(max=self.budget.steps - 1)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        update_averages(self.averages, self.parameters, self.budget.ema_decay)

    @torch.no_grad()
    def _forget(self, before: list[Tensor]) -> None:
        """In place, since the graphs hold the tensors."""
        self.done.zero_()
        for parameter, average, value in zip(self.parameters, self.averages, before, strict=True):
            parameter.copy_(value)
            average.copy_(value)
        for state in self.optimizer.state.values():
            for value in _tensors(state):
                value.zero_()


def _tensors(state: dict[str, Any]) -> list[Tensor]:
    return [value for value in state.values() if isinstance(value, Tensor)]
