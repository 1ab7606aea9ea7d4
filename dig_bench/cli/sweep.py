"""`dig-bench sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli.app import FAILED, OK, DeviceOption, PluginOption, WaitOption, app, console
from dig_bench.cli.measured import (
    BatchOption,
    CheckToleranceOption,
    ExecutionOption,
    GuidanceOption,
    MaxSamplesOption,
    MaxSecondsOption,
    MinSamplesOption,
    ModelsOption,
    ModeOption,
    OnlyOption,
    PrecisionOption,
    PresetOption,
    ResOption,
    SamplerOption,
    SamplerStepsOption,
    TargetOption,
    TimeoutOption,
    VaeOption,
    WarmupOption,
    wanted_sweep,
    what,
)

EXIT_CODES = (
    "Exit codes: 0 every cell has its row, be it measured, out of memory or unsupported; "
    "1 a cell crashed, timed out or disagreed with its reference; 2 the command cannot be run as it is written; "
    "130 interrupted, and the same command goes on."
)


@app.command(epilog=EXIT_CODES)
def sweep(
    res: ResOption = None,
    models: ModelsOption = None,
    batch: BatchOption = None,
    mode: ModeOption = None,
    precision: PrecisionOption = None,
    execution: ExecutionOption = None,
    processes: Annotated[int, what(metavar="N", help="measure everything so often, in fresh processes")] = 1,
    preset: PresetOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    device: DeviceOption = "auto",
    plan: Annotated[bool, typer.Option("--plan", help="print the cells and an estimate, run nothing")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="where results go, else results/MACHINE/NAME")
    ] = None,
    resume: Annotated[bool, typer.Option(help="go on where the same sweep stopped")] = True,
    extend: Annotated[bool, typer.Option("--extend", help="add cells to a sweep that has a part of these")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="measure anew what crashed, timed out or disagreed")] = False,
    wait: WaitOption = None,
    figures: Annotated[bool, typer.Option(help="draw the curves at the end")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print errors and the paths written, no more")] = False,
    timeout: TimeoutOption = None,
    warmup_seconds: WarmupOption = None,
    target_ci: TargetOption = None,
    min_samples: MinSamplesOption = None,
    max_samples: MaxSamplesOption = None,
    max_seconds: MaxSecondsOption = None,
    check_tolerance: CheckToleranceOption = None,
    sampler: SamplerOption = None,
    sampler_steps: SamplerStepsOption = None,
    guidance: GuidanceOption = None,
    vae: VaeOption = None,
) -> None:
    """Measure backbones over resolutions, batch sizes, modes, precisions and executions.

    A finished cell is a row on disk at once; killed, the same command goes on where it stopped.
    Without options: the preset quick on a GPU, demo on a CPU.

    \b
    dig-bench sweep --res 256..2048
    dig-bench sweep --models 'DiG-S/2,DiT-S/2@*' --precision bf16 --mode train
    dig-bench sweep --preset paper-resolution --only 'model=DiG-*' --plan
    dig-bench sweep --mode sample --sampler dpm++ --sampler-steps 20 --vae
    dig-bench sweep --res 256..2048 --models 'DiG-S/2,DiT-S/2' --extend --out results/mine
    """
    from dig_bench.machine import devices
    from dig_bench.plan import estimate
    from dig_bench.run import orchestrate

    wanted = wanted_sweep(
        res=res,
        models=models,
        batch=batch,
        mode=mode,
        precision=precision,
        execution=execution,
        processes=processes,
        preset=preset,
        only=only,
        plugin=plugin,
        device=device,
        timeout=timeout,
        warmup_seconds=warmup_seconds,
        target_ci=target_ci,
        min_samples=min_samples,
        max_samples=max_samples,
        max_seconds=max_seconds,
        check_tolerance=check_tolerance,
        sampler=sampler,
        sampler_steps=sampler_steps,
        guidance=guidance,
        vae=vae,
    )
    if plan:
        print(estimate.described(wanted))
        return
    devices.require(wanted.device)
    folder, rows = orchestrate.run(
        wanted, out, resume=resume, extend=extend, retry=retry, wait_s=wait, quiet=quiet, console=console()
    )
    for path in orchestrate.files(folder, figures=figures):
        print(path)
    if not quiet:
        print(f"a page of it: dig-bench report {folder}")
    raise typer.Exit(FAILED if orchestrate.any_failed(rows) else OK)
