"""`dig-bench parity`."""

from __future__ import annotations

from functools import partial
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli import complete
from dig_bench.cli.app import FAILED, OK, DeviceOption, WaitOption, app, console, needs
from dig_bench.cli.folders import check_folder

INCONCLUSIVE = 3

EXIT_CODES = (
    "Exit codes: 0 all contenders are in parity with the first; 1 at least one is different; 2 invalid arguments; "
    "3 none is different, but at least one is inconclusive; 130 interrupted, run the same command again to resume."
)

budget = partial(typer.Option, rich_help_panel="Budget of every contender")


@app.command(epilog=EXIT_CODES)
def parity(
    contenders: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            autocompletion=complete.models,
            help="DiG-T/2@fused DiG-T/2@fla ...; each is compared with the first",
            show_default=False,
        ),
    ],
    seeds: Annotated[int, typer.Option(metavar="N", min=2, help="number of seeds, the unit of evidence")] = 5,
    steps: Annotated[int, budget(metavar="N", help="training steps")] = 2000,
    batch: Annotated[int, budget(metavar="N", help="images per training step")] = 64,
    learning_rate: Annotated[float, budget(metavar="RATE", help="AdamW's, constant after a warm-up")] = 1e-3,
    ema_decay: Annotated[
        float, budget(metavar="DECAY", help="decay of the averaged weights, which generate images")
    ] = 0.995,
    images: Annotated[int, budget(metavar="N", help="images to generate and score")] = 2000,
    sampler: Annotated[
        str, budget(metavar="NAME", autocompletion=complete.samplers, help="ddpm, ddim or dpm++")
    ] = "ddim",
    sampler_steps: Annotated[int, budget(metavar="N", help="sampler steps per image")] = 50,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="S", min=0, help="start no run that would end later; run the command again to resume"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="folder of runs and page; default: results/MACHINE/parity")
    ] = None,
    device: DeviceOption = "auto",
    wait: WaitOption = None,
) -> None:
    """Compare how well backbones, or kernels, train on the embedded digits: same data, noise, budget and seeds.

    Contenders are in parity if their losses and Fréchet distances are shown, seed by seed, to be within a margin.

    \b
    dig-bench parity DiG-T/2@fused DiG-T/2@fla DiG-T/2@chunked
    dig-bench parity DiG-T/2 DiT-T/2 DiS-T/2 --steps 3000
    dig-bench parity DiG-T/2-four-directions DiG-T/2-causal       the paper's ablation
    """
    needs("diffusers", "safetensors", what="a contest")
    from dig_bench.machine import devices, environment
    from dig_bench.measure import memory
    from dig_bench.parity import verdict
    from dig_bench.parity.contenders import parse
    from dig_bench.parity.contest import Contest
    from dig_bench.parity.output import page, terminal
    from dig_bench.parity.settings import Budget, Settings
    from dig_models.samplers import Sampling

    chosen_device = devices.choose(device)
    chosen = parse(contenders, chosen_device)
    if len(chosen) < 2:
        raise ValueError("parity needs at least two contenders: name another model or backend")
    settings = Settings(
        budget=Budget(steps=steps, batch_size=batch, learning_rate=learning_rate, ema_decay=ema_decay),
        num_images=images,
        sampling=Sampling(sampler=sampler, steps=sampler_steps, clip=True),
    )
    devices.require(chosen_device)
    out = out or Path("results") / environment.machine_name(environment.describe(chosen_device)) / "parity"
    check_folder(out)
    shown = console()
    contest = Contest(contenders=chosen, seeds=range(seeds), settings=settings, device=chosen_device)
    with memory.enough("a smaller --batch needs less of it"):
        found = contest.run(
            out,
            seconds=inf if seconds is None else seconds,
            wait_s=wait,
            say=lambda text: shown.print(text, highlight=False, markup=False),
        )
    # The folder may hold other contenders, too.
    found = found.only([contender.name for contender in chosen])
    if not found.runs:
        raise ValueError("no run has finished: --seconds is too short for one")
    comparisons = verdict.against_first(found)
    shown.print(terminal.render(found, comparisons))
    for path in page.write(found, comparisons, out):
        print(path)
    verdicts = {comparison.verdict for comparison in comparisons}
    if "different" in verdicts:
        raise typer.Exit(FAILED)
    raise typer.Exit(INCONCLUSIVE if len(comparisons) < len(chosen) - 1 or "inconclusive" in verdicts else OK)
