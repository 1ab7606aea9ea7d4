"""Trains one contender. Every random draw depends on the seed alone: data order, noise, timesteps, dropped labels.

On a GPU a training step is a CUDA graph, since small networks are CPU-bound in eager mode. All data is on the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from dig_bench.parity.contenders import Contender
from dig_bench.parity.settings import Budget
from dig_bench.run.capture import capture
from dig_bench.run.step import Step
from dig_bench.train.data import Labelled, order
from dig_bench.train.diffusion import Diffusion
from dig_bench.train.recipe import Draws, adamw, hybrid_loss, learning_rate_at, some_dropped, update_averages
from dig_models import Backbone


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network and how its training went."""

    model: Backbone
    """Network with the averaged weights, in evaluation mode."""
    losses: tuple[float, ...]
    """L_simple + L_vlb of every training step."""
    seconds: float
    """Duration of the training steps, without the first call and the capture."""
    preparation_s: float
    """Duration of the first call, which compiles, and of the capture."""


def train(contender: Contender, data: Labelled, budget: Budget, *, seed: int, device: str) -> Trained:
    """Trains a contender from its own initial weights. Raises ValueError if a loss is not finite."""
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


# B batch, S training steps
class _Training:
    """Static tensors that a captured training step reads and writes."""

    def __init__(self, model: Backbone, data: Labelled, budget: Budget, *, seed: int, device: str) -> None:
        self.model, self.budget, self.device = model, budget, device
        # In training mode the network would drop labels with a generator of its own.
        model.eval()
        self.parameters: list[Tensor] = list(model.parameters())
        self.averages = [parameter.detach().clone() for parameter in self.parameters]
        self.images, self.labels = data.images.to(device), data.labels.to(device)
        self.diffusion = Diffusion.linear(device)
        picked = order.batches(len(self.images), budget.batch_size, seed=seed)
        # Only the order is used: a mirrored digit is not a digit.
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
        """Fills the inputs of training step `index`."""
        chosen_B = self.order_SB[index]
        self.draws.fill(index)
        self.image.copy_(self.images[chosen_B])
        budget = self.budget
        null_label = self.model.config.num_classes
        self.label.copy_(some_dropped(self.labels[chosen_B], self.draws.chance, budget.label_dropout, null_label))
        self.rate.fill_(learning_rate_at(index, learning_rate=budget.learning_rate, warmup=budget.warmup))

    def prepared(self) -> Step:
        """Returns the training step: compiled and captured on a GPU, with all state reset afterwards."""
        step = Step(parts={"forward": self._forward, "backward": self._backward, "update": self._update}, outputs=[])
        self._outputs = step.outputs
        if self.device != "cuda":
            return step
        before = [parameter.detach().clone() for parameter in self.parameters]
        step()
        step = capture(step)
        self._reset(before)
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
        # With few training steps, those before the capture run out of places: the last place is overwritten later.
        self.done.add_(1).clamp_(max=self.budget.steps - 1)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        update_averages(self.averages, self.parameters, self.budget.ema_decay)

    @torch.no_grad()
    def _reset(self, before: list[Tensor]) -> None:
        """Restores weights, averages and optimizer state in place, since the graphs hold the tensors."""
        self.done.zero_()
        for parameter, average, value in zip(self.parameters, self.averages, before, strict=True):
            parameter.copy_(value)
            average.copy_(value)
        for state in self.optimizer.state.values():
            for value in _tensors(state):
                value.zero_()


def _tensors(state: dict[str, Any]) -> list[Tensor]:
    return [value for value in state.values() if isinstance(value, Tensor)]
