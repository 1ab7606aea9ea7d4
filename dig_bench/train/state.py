"""Trained state: weights, master weights, averages and AdamW's moments, sharded as the network is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from dig_bench.train import placement
from dig_bench.train.checkpoint import Checkpoint
from dig_bench.train.recipe import adamw, learning_rate_at, update_averages
from dig_bench.train.settings import Settings
from dig_models import Backbone


class State:
    """State of a network on its device, restored from a checkpoint.

    In fp32 the master weights are the network's parameters; in bf16 they are fp32 copies, which the optimizer updates.
    """

    def __init__(self, network: Backbone, start: Checkpoint, settings: Settings, *, device: torch.device) -> None:
        self.settings = settings
        self.parameters: dict[str, Tensor] = dict(network.named_parameters())
        self.masters: dict[str, Tensor] = {**self.parameters}
        if settings.precision == "bf16":
            self.masters = {
                name: placement.filled(value.detach().float(), start.weights[name]).requires_grad_(True)
                for name, value in self.parameters.items()
            }
        self.averages = {
            name: placement.filled(value.detach().clone(), start.averages[name]) for name, value in self.masters.items()
        }
        self.optimizer = adamw(self.masters.values(), learning_rate=settings.learning_rate)
        for key, value in start.optimizer.items():
            kind, _, name = key.partition(".")
            like = self.masters[name].detach() if value.ndim else torch.zeros((), device=device)
            self.optimizer.state[self.masters[name]][kind] = placement.filled(like.clone(), value)
        buffers = {name: value.clone() for name, value in start.weights.items() if name not in self.masters}
        self._unchanged = replace(start, weights=buffers, averages=buffers, optimizer={})

    @torch.no_grad()
    def update(self, step: int) -> Tensor:
        """Applies the parameters' gradients for training step `step`. Returns their norm before clipping."""
        settings, masters = self.settings, list(self.masters.values())
        parameters = list(self.parameters.values())
        if settings.precision == "bf16":
            for master, parameter in zip(masters, parameters, strict=True):
                assert parameter.grad is not None
                master.grad, parameter.grad = parameter.grad.float(), None
        gradients = [master.grad for master in masters if master.grad is not None]
        assert len(gradients) == len(masters), "every parameter takes part in the loss"
        norm = placement.whole(torch.nn.utils.get_total_norm(gradients))
        if settings.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(masters, settings.clip, norm)
        rate = learning_rate_at(step, learning_rate=settings.learning_rate, warmup=settings.warmup)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if settings.precision == "bf16":
            placement.copy_all(parameters, masters)
        update_averages(list(self.averages.values()), masters, settings.ema_decay)
        return norm

    def checkpoint(self, step: int, *, is_main: bool) -> Checkpoint | None:
        """Returns the state on the CPU, in the main process only. All processes must call this."""
        moments = {
            f"{kind}.{name}": value
            for name, master in self.masters.items()
            for kind, value in self.optimizer.state[master].items()
        }
        weights, averages, optimizer = (_gathered(each, is_main) for each in (self.masters, self.averages, moments))
        if not is_main:
            return None
        buffers = {**self._unchanged.weights}
        return replace(
            self._unchanged, step=step, weights=buffers | weights, averages=buffers | averages, optimizer=optimizer
        )

    def averaged(self, step: int) -> Checkpoint:
        """Returns a checkpoint for sampling, with the averages as its weights, in every process."""
        state = {**self._unchanged.averages} | _gathered(self.averages, True)
        return replace(self._unchanged, step=step, weights=state, averages=state)


def _gathered(tensors: Mapping[str, Tensor], wanted: bool) -> dict[str, Tensor]:
    """Returns whole copies on the CPU, or nothing unless wanted.

    It gathers one tensor at a time, so that a GPU never holds all of them whole.
    """
    found = {}
    for name, tensor in tensors.items():
        whole = placement.whole(tensor.detach())
        if wanted:
            found[name] = whole.to("cpu", copy=True)
    return found
