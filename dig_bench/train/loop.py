"""Training loop on accelerate: one process or many, resumable at any training step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from time import perf_counter

import torch
from accelerate import Accelerator
from torch import Tensor

from dig_bench.train import checkpoint_file, placement
from dig_bench.train.batches import Batches, Part
from dig_bench.train.checkpoint import Checkpoint
from dig_bench.train.data import Labelled, Source
from dig_bench.train.diffusion import Diffusion
from dig_bench.train.progress import Progress
from dig_bench.train.recipe import hybrid_loss
from dig_bench.train.settings import Settings
from dig_bench.train.state import State


# B batch, C channels, H W height and width
class Trainer:
    """`Trainer(checkpoint, source, settings, ...).run(...)` trains from the checkpoint's step on."""

    def __init__(
        self, start: Checkpoint, source: Source, settings: Settings, *, backend: str, device: str, workers: int = 0
    ) -> None:
        """Sets up the network; `device` is `cpu` or `cuda`, and `workers` threads read images ahead.

        Raises ValueError if the processes cannot share a batch evenly.
        """
        self.accelerator = Accelerator(cpu=device == "cpu")
        self.settings, self.workers, self.step = settings, workers, start.step
        self.device = self.accelerator.device
        self.is_main: bool = self.accelerator.is_main_process
        processes = {"index": self.accelerator.process_index, "processes": self.accelerator.num_processes}
        self.batches = Batches(source, settings, **processes, device=self.device)
        network = start.build(backend=backend, device=str(self.device), averaged=False).requires_grad_(True)
        if settings.precision == "bf16":
            network.bfloat16()
        if settings.recompute:
            placement.recompute_blocks(network)
        if settings.compile:
            network.compile()
        self.network = placement.prepare(self.accelerator, network)
        self.state = State(self.accelerator.unwrap_model(self.network), start, settings, device=self.device)
        self.diffusion = Diffusion.linear(self.device)
        self._gradient_norm = torch.zeros(())

    def run(
        self,
        path: Path | None,
        *,
        report_every: int,
        save_every: int,
        show: Callable[[Progress], None] = lambda progress: None,
    ) -> Iterator[Progress]:
        """Trains until the settings' number of training steps, and saves checkpoints to `path` if there is one.

        `show` gets each report before the checkpoint of its step is written, so that its records are never older than
        the checkpoint. Raises ValueError for images that cannot be read, and for a loss that is not finite; before
        a checkpoint is written, the loss with the new weights is checked, too.
        """
        losses: list[Tensor] = []
        begin, first = perf_counter(), self.step
        for share in self.batches.shares(self.step, workers=self.workers):
            losses.append(self._train_on(share))
            self.step += 1
            is_last = self.step >= self.settings.steps
            saves = is_last or self.step % save_every == 0
            if not saves and self.step % report_every:
                continue
            found = self._mean_over_processes(losses)
            losses.clear()
            self._check_finite(found, path, last=self.step)
            images_per_s = (self.step - first) * self.settings.batch_size / (perf_counter() - begin)
            if saves and path:
                self._check_finite(self._mean_over_processes([self._next_loss(share)]), path, last=self.step + 1)
            progress = Progress(
                step=self.step,
                losses=tuple(found),
                gradient_norm=float(self._gradient_norm),
                images_per_s=images_per_s,
                saved=saves and path is not None,
            )
            show(progress)
            if saves and path:
                self.save(path)
            yield progress
            begin, first = perf_counter(), self.step

    def checkpoint(self) -> Checkpoint | None:
        """Returns the current state on the CPU, in the main process only. All processes must call this."""
        return self.state.checkpoint(self.step, is_main=self.is_main)

    def averaged(self) -> Checkpoint:
        """Returns a checkpoint for sampling: its weights are the averages. All processes must call this."""
        return self.state.averaged(self.step)

    def save(self, path: Path) -> None:
        """Writes the checkpoint in the main process, while the others wait."""
        if found := self.checkpoint():
            checkpoint_file.save(found, path)
        self.accelerator.wait_for_everyone()

    def _train_on(self, share: Labelled) -> Tensor:
        """Runs a training step. Returns this process's loss, still on the device."""
        accumulate = self.settings.accumulate
        total = torch.zeros((), device=self.device)
        for number, part in zip(count(1), self.batches.parts(self.step, share), strict=False):
            loss = self._loss(part) / accumulate
            if number < accumulate:
                with self.accelerator.no_sync(self.network):
                    loss.backward()
            else:
                loss.backward()
            total += loss.detach()
        self._gradient_norm = self.state.update(self.step)
        return total

    @torch.no_grad()
    def _next_loss(self, share: Labelled) -> Tensor:
        """Returns the loss of the last step's first part with the new weights. If they have diverged, the checkpoint
        must not replace the old one."""
        return self._loss(next(self.batches.parts(self.step - 1, share)))

    def _loss(self, part: Part) -> Tensor:
        dtype = next(iter(self.state.parameters.values())).dtype

        def network(latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
            output: Tensor = self.network(latent_BCHW.to(dtype), timestep_B, label_B)
            return output

        return hybrid_loss(self.diffusion, network, *part)

    def _mean_over_processes(self, losses: list[Tensor]) -> list[float]:
        found: Tensor = self.accelerator.reduce(torch.stack(losses), reduction="mean")
        return found.tolist()

    def _check_finite(self, losses: list[float], path: Path | None, *, last: int) -> None:
        """Raises ValueError for a loss that is not finite; the last one belongs to training step `last`."""
        for step, loss in enumerate(losses, start=last - len(losses) + 1):
            if not math.isfinite(loss):
                kept = f"{path} is unchanged" if path and path.exists() else "no checkpoint was saved"
                raise ValueError(
                    f"the loss is not finite at step {step}, {kept}: lower --learning-rate, or set --clip or --warmup"
                )
