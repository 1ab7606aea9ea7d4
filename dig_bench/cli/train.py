"""`dig-bench train`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dig_bench.cli import complete
from dig_bench.cli.app import DeviceOption, app, console, needs
from dig_bench.cli.folders import alone_in, check_utf8
from dig_bench.cli.option_groups import with_option_groups
from dig_bench.cli.train_options import DataOptions, OutputOptions, SettingsOptions

if TYPE_CHECKING:
    from dig_bench.train.checkpoint import Checkpoint
    from dig_bench.train.data import Source
    from dig_bench.train.loop import Trainer
    from dig_bench.train.settings import Settings
    from dig_bench.train.watch import Watch

MODEL = "DiG-N/4"
LAST, GRID = "last.safetensors", "last.png"


@app.command()
@with_option_groups
def train(
    *,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=complete.models,
            help="DiG-S/2@fused for latents; DiG-N/4, DiT-T/2, ... for pixels",
        ),
    ] = MODEL,
    data: DataOptions,
    chosen: SettingsOptions,
    output: OutputOptions,
    device: DeviceOption = "auto",
) -> None:
    """Train a backbone with the recipe of DiT and DiG: DDPM, hybrid loss, AdamW, averaged weights.

    Run the same command again to resume an interrupted run.

    \b
    dig-bench train                                         a nano DiG on the embedded digits, on a laptop
    dig-bench encode photos/ --vae sd-vae-ft-ema --out latents/
    accelerate launch -m dig_bench train DiG-S/2 --data latents/ --precision bf16
    torchrun --nproc-per-node 8 -m dig_bench train DiT-XL/2 --data latents/ --init DiT-XL-2-256x256.pt
    """
    needs("accelerate", "safetensors", "tensorboard", "diffusers", what="training")
    from accelerate import PartialState

    from dig_bench.machine import devices
    from dig_bench.measure import memory
    from dig_bench.run.precision import tf32
    from dig_bench.train import data as sources
    from dig_bench.train import models, settings
    from dig_models import CATALOG

    device = devices.choose(device)
    devices.require(device)
    defaults = settings.FOR_DIGITS if data.path is None else settings.AS_PUBLISHED
    asked = replace(defaults, **chosen.given())
    choices = models.FOR_DIGITS | CATALOG
    name, backend = models.parse(model, choices, device=device, precision=asked.precision)
    source = sources.find(data.path, image_size=data.res)
    out = output.out or Path("runs") / f"{name.replace('/', '-')}-{source.name}"
    check_utf8(out)
    state = PartialState(cpu=device == "cpu")
    less = "a smaller --batch, --accumulate N, --checkpointing and --precision bf16 need less of it"
    with alone_in(out, state), tf32(asked.precision == "tf32"), memory.enough(less):
        training = _Training(
            model=name, backend=backend, source=source, settings=asked, output=output, folder=out, device=device
        )
        message = training.run(data)
    if state.is_main_process:
        print(message)


@dataclass(frozen=True, kw_only=True)
class _Training:
    """A training in a folder, with its grids of generated images."""

    model: str
    backend: str
    source: Source
    settings: Settings
    output: OutputOptions
    folder: Path
    device: str

    def run(self, data: DataOptions) -> str:
        """Trains, unless the checkpoint has all its steps. Returns what to print."""
        from dig_bench.train import start
        from dig_bench.train.loop import Trainer

        initial = start.initial_weights(data.init, self.model, self.source) if data.init else None
        last, total = self.folder / LAST, self.settings.steps
        first = start.resume_or_fresh(
            self.model, self.source, self.settings, backend=self.backend, path=last, initial=initial
        )
        draws = self.output.grid > 0 and (self.output.vae is not None or not first.is_of_latents)
        lacks_grid = draws and first.step > 0 and not _is_newer(self.folder / GRID, last)
        if first.step >= total and not lacks_grid:
            return f"{last} already has {first.step} steps: set --steps to train for more"
        self._check_vae(first)
        trainer = Trainer(
            first, self.source, self.settings, backend=self.backend, device=self.device, workers=data.workers
        )
        # The trainer has copies: a mapped file would keep its disk space after it is replaced.
        del first, initial
        self._loop(trainer, draws=draws, lacks_grid=lacks_grid)
        return str(last)

    def _loop(self, trainer: Trainer, *, draws: bool, lacks_grid: bool) -> None:
        from dig_bench.train.watch import watching

        last, saved, total = self.folder / LAST, trainer.step, self.settings.steps
        try:
            with watching(
                console(), self.folder / "tensorboard", step=saved, steps=total, is_main=trainer.is_main
            ) as watch:
                if lacks_grid:
                    self._draw_grid(trainer, watch)
                reports = trainer.run(
                    last,
                    report_every=self.output.report_every,
                    save_every=self.output.save_every,
                    show=watch.show if watch else lambda progress: None,
                )
                for progress in reports:
                    if progress.saved:
                        saved = progress.step
                        if draws:
                            self._draw_grid(trainer, watch)
        except KeyboardInterrupt:
            message = f"{last} has {saved} steps: run the same command again to resume" if saved else ""
            raise KeyboardInterrupt(message) from None

    def _draw_grid(self, trainer: Trainer, watch: Watch | None) -> None:
        from dig_bench.sample.images import save_grid, sheet
        from dig_bench.sample.preview import preview

        images = preview(
            trainer.averaged(),
            self.output.grid,
            vae=self.output.vae,
            backend=self.backend,
            precision=self.settings.precision,
            device=self.device,
        )
        if watch and images is not None:
            watch.show_images(sheet(images), trainer.step)
            save_grid(self.folder / GRID, images)

    def _check_vae(self, first: Checkpoint) -> None:
        """Raises ValueError before the training, not at the first grid."""
        from dig_bench.sample.run import check_vae
        from dig_bench.train import vae

        if self.output.vae:
            check_vae(first, self.output.vae)
            vae.load(self.output.vae, device="cpu")


def _is_newer(path: Path, other: Path) -> bool:
    """Returns true if both files exist and `path` is at least as new."""
    return path.exists() and path.stat().st_mtime_ns >= other.stat().st_mtime_ns
