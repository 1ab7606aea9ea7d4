"""Options of the commands that measure a sweep: the cells, the protocol, and how the run behaves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dig_bench.cell import PRECISIONS
from dig_bench.cli import complete
from dig_bench.cli.app import DeviceOption, PluginOption, WaitOption
from dig_bench.protocol import Protocol

if TYPE_CHECKING:
    from dig_bench.plan.sweep import Sweep

what = partial(typer.Option, rich_help_panel="What is measured")
how = partial(typer.Option, rich_help_panel="How it is measured (a preset can have other defaults)")

DEFAULT = Protocol()
TOLERANCES = ", ".join(f"{DEFAULT.tolerance(precision):g} ({precision})" for precision in PRECISIONS)


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Cells to measure, and the protocol that measures them. None stands for the preset's or the default value.

    A command takes all of them, or names those that it takes with `Only`; see `dig_bench.cli.option_groups`.
    """

    res: Annotated[
        str | None, what(metavar="LIST", help="256,1024 or 256..2048 (every 256), 256..2048:512, 256..2048:x2")
    ] = None
    models: Annotated[
        list[str] | None,
        what(
            metavar="LIST",
            autocompletion=complete.models,
            help="DiG-S/2, DiT-S/2@flash2, 'DiG-*/2', '*@fla', 'DiT-S/2@*'; without @, the device's default backend",
        ),
    ] = None
    batch: Annotated[str | None, what(metavar="LIST", help="batch sizes: 1,8,64")] = None
    mode: Annotated[
        str | None,
        what(
            metavar="LIST",
            autocompletion=complete.modes,
            help="forward (one pass), train (one training step), sample (whole images)",
        ),
    ] = None
    precision: Annotated[
        str | None,
        what(metavar="LIST", autocompletion=complete.precisions, help="fp32, tf32, bf16, fp16"),
    ] = None
    execution: Annotated[
        str | None,
        what(metavar="LIST", autocompletion=complete.executions, help="eager, graph, compile, compile-graph"),
    ] = None
    preset: Annotated[
        str | None,
        what(
            metavar="NAME",
            autocompletion=complete.presets,
            help="demo, quick, paper-resolution, paper-size, fused, backends; the options above replace its axes",
        ),
    ] = None
    only: Annotated[
        str | None, what(metavar="EXPR", help="'model=DiG-* and resolution_px<=1024 and precision=bf16'")
    ] = None
    plugin: PluginOption = None
    device: DeviceOption = "auto"
    timeout: Annotated[
        float | None, how(metavar="SECONDS", help=f"give up on a cell after this time; default: {DEFAULT.timeout_s:g}")
    ] = None
    state: Annotated[
        str | None,
        how(
            metavar="NAME",
            autocompletion=complete.states,
            help=f"sustained (under load) or burst (rested before each sample); default: {DEFAULT.state}",
        ),
    ] = None
    warmup_seconds: Annotated[
        float | None,
        how(
            metavar="SECONDS",
            help=f"longest warm-up; it ends once there is no trend; default: {DEFAULT.warmup_seconds:g}",
        ),
    ] = None
    target_ci: Annotated[
        float | None,
        how(
            metavar="SHARE",
            help="stop once the 95 % interval of the median is within +- this share; "
            f"default: {DEFAULT.target_half_width:g}",
        ),
    ] = None
    min_samples: Annotated[
        int | None,
        how(metavar="N", help=f"fewest timing samples, whatever they cost; default: {DEFAULT.min_samples}"),
    ] = None
    max_samples: Annotated[
        int | None, how(metavar="N", help=f"most timing samples; default: {DEFAULT.max_samples}")
    ] = None
    max_seconds: Annotated[
        float | None,
        how(metavar="SECONDS", help=f"longest time spent on timing samples; default: {DEFAULT.max_seconds:g}"),
    ] = None
    check_tolerance: Annotated[
        float | None,
        how(
            metavar="ERROR",
            help="largest relative error that the correctness check accepts, at any precision; default: " + TOLERANCES,
        ),
    ] = None
    sampler: Annotated[
        str | None,
        how(
            metavar="NAME",
            autocompletion=complete.samplers,
            help=f"ddpm, ddim or dpm++ (mode sample); default: {DEFAULT.sampler}",
        ),
    ] = None
    sampler_steps: Annotated[
        int | None, how(metavar="N", help=f"steps of the sampler (mode sample); default: {DEFAULT.sampler_steps}")
    ] = None
    guidance: Annotated[
        float | None,
        how(
            metavar="SCALE",
            help=f"classifier-free guidance (mode sample), 1 turns it off; default: {DEFAULT.guidance:g}",
        ),
    ] = None
    vae: Annotated[
        bool | None,
        how("--vae/--no-vae", help="decode the samples with a VAE of Stable Diffusion's size, and time it"),
    ] = None

    def sweep(self, *, processes: int = 1) -> Sweep:
        """Makes the sweep. Loads the plugins and chooses the device.

        Raises ValueError, in one line, for options that cannot be measured.
        """
        from dig_bench.machine import devices
        from dig_bench.plan import plugins
        from dig_bench.plan.parse import parse_axes
        from dig_bench.plan.sweep import make
        from dig_models.samplers import Sampling

        plugins.load(self.plugin or ())
        sweep = make(
            device=devices.choose(self.device),
            preset=self.preset,
            axes=parse_axes(
                models=self.models,
                res=self.res,
                batch=self.batch,
                mode=self.mode,
                precision=self.precision,
                execution=self.execution,
            ),
            only=self.only,
            processes=processes,
            protocol=self._protocol(),
            plugins=self.plugin or (),
        )
        # Refuses samplers that do not exist, which the protocol cannot know.
        protocol = sweep.protocol
        Sampling(sampler=protocol.sampler, steps=protocol.sampler_steps, guidance=protocol.guidance)
        return sweep

    def _protocol(self) -> dict[str, Any]:
        """Fields of Protocol, None where the option is not given."""
        return {
            "timeout_s": self.timeout,
            "state": self.state,
            "warmup_seconds": self.warmup_seconds,
            "target_half_width": self.target_ci,
            "min_samples": self.min_samples,
            "max_samples": self.max_samples,
            "max_seconds": self.max_seconds,
            **{f"tolerance_{precision}": self.check_tolerance for precision in PRECISIONS},
            "sampler": self.sampler,
            "sampler_steps": self.sampler_steps,
            "guidance": self.guidance,
            "vae": self.vae,
        }


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Behaviour of a run that measures."""

    resume: Annotated[bool, typer.Option(help="resume an earlier run of the same command in the same folder")] = True
    wait: WaitOption = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print errors and the result only")] = False
