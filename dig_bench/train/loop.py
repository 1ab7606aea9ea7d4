"""Training on accelerate: one process or many, resumable at any step.

What is random is drawn for the whole batch of a step, by seed and step, and each process takes its rows. So the losses
depend neither on the number of processes nor, on one device, on how often a run was killed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from time import perf_counter

import torch
from accelerate import Accelerator
from torch import Tensor

from dig_bench.train import checkpoint as files
from dig_bench.train import placement
from dig_bench.train.checkpoint import Checkpoint
from dig_bench.train.data import Labelled, Source, loaded
from dig_bench.train.data.order import Pick, picks
from dig_bench.train.diffusion import Diffusion
from dig_bench.train.recipe import Draws, Network, adamw, hybrid_loss, learning_rate_at, some_dropped, update_averages
from dig_bench.train.settings import Settings
from dig_models import Backbone


@dataclass(frozen=True, kw_only=True)
class Progress:
    step: int
    """How many are done."""
    losses: tuple[float, ...]
    """L_simple + L_vlb, of the steps since the last report."""
    gradient_norm: float
    """Of the last step, before it was clipped."""
    images_per_s: float
    saved: bool
    """Whether the checkpoint holds this step, or will when this has been shown."""


# B batch, C channels, H W height and width
class Trainer:
    """Trainer(checkpoint, source, settings, ...).run(...). Goes on from the checkpoint's step."""

    def __init__(
        self, start: Checkpoint, source: Source, settings: Settings, *, backend: str, device: str, workers: int = 0
    ) -> None:
        """`device` is a type, `cpu` or `cuda`. ValueError for a batch that the processes cannot share evenly."""
        self.accelerator = Accelerator(cpu=device == "cpu")
        shares = self.accelerator.num_processes * settings.accumulate
        if settings.batch_size % shares:
            raise ValueError(
                f"a batch of {settings.batch_size} images is not shared evenly by {self.accelerator.num_processes} "
                f"processes in {settings.accumulate} parts each"
            )
        self.source, self.settings = source, settings
        self.workers, self.step = workers, start.step
        self.device = self.accelerator.device
        self.is_main: bool = self.accelerator.is_main_process
        network = start.build(backend=backend, device=str(self.device), averaged=False).requires_grad_(True)
        if settings.precision == "bf16":
            network.bfloat16()
        if settings.recompute:
            placement.recompute_blocks(network)
        if settings.compile:
            network.compile()
        self.network = placement.prepare(self.accelerator, network)
        self.parameters: dict[str, Tensor] = dict(self._plain.named_parameters())
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
            like = self.masters[name].detach() if value.ndim else torch.zeros((), device=self.device)
            self.optimizer.state[self.masters[name]][kind] = placement.filled(like.clone(), value)
        # What does not change: the rest is here, on the device.
        buffers = {name: value.clone() for name, value in start.weights.items() if name not in self.masters}
        self.unchanged = replace(start, weights=buffers, averages=buffers, optimizer={})
        self.diffusion = Diffusion.linear(self.device)
        self._gradient_norm = torch.zeros(())
        self.draws = Draws((settings.batch_size, *source.shape), seed=settings.seed, device=self.device)

    def run(
        self,
        path: Path | None,
        *,
        report_every: int,
        save_every: int,
        show: Callable[[Progress], None] = lambda report: None,
    ) -> Iterator[Progress]:
        """Trains until the settings' number of steps, and leaves a checkpoint at the path; without one, none.

        `show` gets each report before the checkpoint of its step is written: what it keeps is never behind that.

        ValueError when a loss is not finite, before anything of it is saved, be it that of the step after; and for
        images that cannot be read.
        """
        losses: list[Tensor] = []
        begin, begun = perf_counter(), self.step
        for share in loaded(self.source, self._shares(), workers=self.workers):
            losses.append(self._one(share))
            self.step += 1
            is_last = self.step >= self.settings.steps
            saves = is_last or self.step % save_every == 0
            if not saves and self.step % report_every:
                continue
            found = self._everywhere(losses)
            losses.clear()
            self._check(found, path)
            images_per_s = (self.step - begun) * self.settings.batch_size / (perf_counter() - begin)
            if saves and path:
                self._check(self._everywhere([self._loss_after(share)]), path, ahead=1)
            report = Progress(
                step=self.step,
                losses=tuple(found),
                gradient_norm=float(self._gradient_norm),
                images_per_s=images_per_s,
                saved=saves and path is not None,
            )
            show(report)
            if saves and path:
                self.save(path)
            yield report
            begin, begun = perf_counter(), self.step

    def checkpoint(self) -> Checkpoint | None:
        """Of the step, on the CPU. All processes have to ask for it; None in all but the first."""
        states = {
            f"{kind}.{name}": value
            for name, master in self.masters.items()
            for kind, value in self.optimizer.state[master].items()
        }
        weights, averages, optimizer = map(self._gathered, (self.masters, self.averages, states))
        if not self.is_main:
            return None
        buffers = {**self.unchanged.weights}
        return replace(
            self.unchanged, step=self.step, weights=buffers | weights, averages=buffers | averages, optimizer=optimizer
        )

    def averaged(self) -> Checkpoint:
        """What samples are drawn from: weights and averages are the averages. In all processes."""
        state = {**self.unchanged.averages} | self._gathered(self.averages, everywhere=True)
        return replace(self.unchanged, step=self.step, weights=state, averages=state)

    def save(self, path: Path) -> None:
        if found := self.checkpoint():
            files.save(found, path)
        self.accelerator.wait_for_everyone()

    def _gathered(self, tensors: Mapping[str, Tensor], *, everywhere: bool = False) -> dict[str, Tensor]:
        """Copies in one piece. One after the other, so that shards of all are never together on a GPU."""
        found = {}
        for name, tensor in tensors.items():
            piece = placement.whole(tensor.detach())
            if self.is_main or everywhere:
                found[name] = piece.to("cpu", copy=True)
        return found

    @property
    def _plain(self) -> Backbone:
        plain: Backbone = self.accelerator.unwrap_model(self.network)
        return plain

    def _shares(self) -> Iterator[list[Pick]]:
        """This process's rows of each batch."""
        size, seed = self.settings.batch_size, self.settings.seed
        rows = self._rows
        flips = self.settings.flip and self.source.mirrored
        for step in range(self.step, self.settings.steps):
            chosen = picks(len(self.source), step * size + rows.start, rows.stop - rows.start, seed=seed)
            yield chosen if flips else [pick._replace(flipped=False) for pick in chosen]

    @property
    def _rows(self) -> slice:
        size = self.settings.batch_size // self.accelerator.num_processes
        return slice(self.accelerator.process_index * size, (self.accelerator.process_index + 1) * size)

    def _one(self, share: Labelled) -> Tensor:
        """A step of the optimiser. Returns this process's loss, still on the device."""
        settings, network = self.settings, self.network
        self.draws.fill(self.step)
        total = torch.zeros((), device=self.device)
        for number, part in zip(count(1), self._parts(share), strict=False):
            loss = self._loss(part) / settings.accumulate
            if number < settings.accumulate:
                with self.accelerator.no_sync(network):
                    loss.backward()
            else:
                loss.backward()
            total += loss.detach()
        self._update()
        return total

    @torch.no_grad()
    def _loss_after(self, share: Labelled) -> Tensor:
        """Of the step's first part, by what the step has made of the weights: a checkpoint of weights that are lost is
        worse than the one that it would replace."""
        return self._loss(next(self._parts(share)))

    def _parts(self, share: Labelled) -> Iterator[tuple[Tensor, ...]]:
        """Image, noise, timestep and label of each part of this process's rows, by the step's draws."""
        rows, settings = self._rows, self.settings
        null_label = self.unchanged.num_classes
        label_B = some_dropped(self._here(share.labels), self.draws.chance[rows], settings.label_dropout, null_label)
        whole = self._here(share.images), self.draws.noise[rows], self.draws.timestep[rows], label_B
        return zip(*(each.chunk(settings.accumulate) for each in whole), strict=True)

    def _loss(self, part: tuple[Tensor, ...]) -> Tensor:
        call = partial(_in, self.network, next(iter(self.parameters.values())).dtype)
        return hybrid_loss(self.diffusion, call, *part)

    @torch.no_grad()
    def _update(self) -> None:
        settings, masters = self.settings, list(self.masters.values())
        parameters = list(self.parameters.values())
        if settings.precision == "bf16":
            for master, parameter in zip(masters, parameters, strict=True):
                assert parameter.grad is not None
                master.grad, parameter.grad = parameter.grad.float(), None
        gradients = [master.grad for master in masters if master.grad is not None]
        assert len(gradients) == len(masters), "every parameter takes part in the loss"
        self._gradient_norm = placement.whole(torch.nn.utils.get_total_norm(gradients))
        if settings.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(masters, settings.clip, self._gradient_norm)
        rate = learning_rate_at(self.step, learning_rate=settings.learning_rate, warmup=settings.warmup)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if settings.precision == "bf16":
            placement.copy_all(parameters, masters)
        update_averages(list(self.averages.values()), masters, settings.ema_decay)

    def _here(self, tensor: Tensor) -> Tensor:
        """On the device. From pinned memory, so that the host need not wait for the step before."""
        pinned = tensor.pin_memory() if self.device.type == "cuda" else tensor
        return pinned.to(self.device, non_blocking=True)

    def _everywhere(self, losses: list[Tensor]) -> list[float]:
        """Means over the processes."""
        found: Tensor = self.accelerator.reduce(torch.stack(losses), reduction="mean")
        return found.tolist()

    def _check(self, losses: list[float], path: Path | None, *, ahead: int = 0) -> None:
        """ValueError for one that is not finite; the last of them is of the step that is `ahead`."""
        for step, loss in enumerate(losses, start=self.step + ahead - len(losses) + 1):
            if not math.isfinite(loss):
                kept = f"{path} is left as it was" if path and path.exists() else "nothing is saved"
                raise ValueError(
                    f"the loss is not finite at step {step}: {kept}; take a lower rate, --clip or --warmup"
                )


def _in(network: Network, dtype: torch.dtype, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
    return network(latent_BCHW.to(dtype), timestep_B, label_B)
