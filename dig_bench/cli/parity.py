"""`dig-bench parity`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli.app import FAILED, OK, DeviceOption, WaitOption, app, check_folder, console, needs

UNDECIDED = 3

EXIT_CODES = (
    "Exit codes: 0 all are in parity with the first; 1 one is different; 2 the command cannot be run as it is written; "
    "3 none is different, but one is undecided; 130 interrupted, and the same command goes on."
)

budget = partial(typer.Option, rich_help_panel="What every contender gets")


@app.command(epilog=EXIT_CODES)
def parity(
    contenders: Annotated[
        list[str],
        typer.Argument(help="DiG-T/2@fused DiG-T/2@fla ..., each judged against the first", show_default=False),
    ],
    seeds: Annotated[int, typer.Option(metavar="N", min=2, help="a verdict rests on their spread")] = 3,
    steps: Annotated[int, budget(metavar="N", help="of training")] = 2000,
    batch: Annotated[int, budget(metavar="N", help="images a step")] = 64,
    learning_rate: Annotated[float, budget(metavar="RATE", help="of AdamW, constant after a warm-up")] = 1e-3,
    ema: Annotated[
        float, budget(metavar="SHARE", help="decay of the averaged weights, which are sampled from")
    ] = 0.995,
    samples: Annotated[int, budget(metavar="N", help="images that are drawn and scored")] = 2000,
    sampler: Annotated[str, budget(metavar="NAME", help="ddpm, ddim or dpm++")] = "ddim",
    sampler_steps: Annotated[int, budget(metavar="N")] = 50,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="S", min=0, help="begin no run that would end later; the same command goes on"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="of the runs and the page, else results/MACHINE/parity")
    ] = None,
    device: DeviceOption = "auto",
    wait: WaitOption = None,
) -> None:
    """Train backbones, or kernels, on the embedded digits: same data, noise, budget and seeds. Do they come out equal?

    Loss curves and Fréchet distances are the same when they differ by no more than seeds do.

    \b
    dig-bench parity DiG-T/2@fused DiG-T/2@fla DiG-T/2@chunked
    dig-bench parity DiG-T/2 DiT-T/2 DiS-T/2 --steps 3000
    dig-bench parity DiG-T/2-four-directions DiG-T/2-causal       of the paper's ablation
    """
    needs("diffusers", "safetensors", what="a contest")
    from dig_bench.machine import devices, environment
    from dig_bench.measure import memory
    from dig_bench.parity import contenders as choices
    from dig_bench.parity import page, runs, verdict
    from dig_bench.parity.training import Budget
    from dig_models.samplers import Sampling

    chosen_device = devices.choose(device)
    chosen = choices.parse(contenders, chosen_device)
    if len(chosen) < 2:
        raise ValueError("parity is between two or more: name another model or backend")
    settings = runs.Settings(
        budget=Budget(steps=steps, batch_size=batch, learning_rate=learning_rate, ema_decay=ema),
        num_samples=samples,
        sampling=Sampling(sampler=sampler, steps=sampler_steps, clip=True),
    )
    devices.require(chosen_device)
    out = out or Path("results") / environment.machine_name(environment.describe(chosen_device)) / "parity"
    check_folder(out)
    shown = console()
    with memory.enough("a smaller --batch needs less of it"):
        found = runs.run(
            chosen,
            range(seeds),
            settings,
            out,
            device=chosen_device,
            seconds=float("inf") if seconds is None else seconds,
            wait_s=wait,
            say=lambda text: shown.print(text, highlight=False, markup=False),
        )
    # The folder may hold other contenders, too.
    found = found.only([contender.name for contender in chosen])
    if not found.runs:
        raise ValueError("no run has been made: --seconds leaves no time for one")
    comparisons = verdict.against_first(found)
    shown.print(page.render(found, comparisons))
    for path in page.write(found, comparisons, out):
        print(path)
    verdicts = {comparison.verdict for comparison in comparisons}
    if "different" in verdicts:
        raise typer.Exit(FAILED)
    raise typer.Exit(UNDECIDED if len(comparisons) < len(chosen) - 1 or "undecided" in verdicts else OK)
