"""`dig-bench roofs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli.app import DeviceOption, WaitOption, app, console


@app.command()
def roofs(
    device: DeviceOption = "auto",
    out: Annotated[Path | None, typer.Option(metavar="FILE.json", help="else results/MACHINE/roofs.json")] = None,
    again: Annotated[bool, typer.Option("--again", help="measure even if they are known")] = False,
    wait: WaitOption = None,
) -> None:
    """Measure what this machine can do at best: matrix products by precision, a copy, launches of a kernel.

    `dig-bench profile` holds each component of a network against them. Nothing is taken from a datasheet. On a GPU the
    roof is a product after a pause: many in a row run into the power limit, which networks, with lighter work in
    between, may not.

    \b
    dig-bench roofs
    dig-bench roofs --again --out roofs.json
    """
    from rich.table import Table

    from dig_bench.machine import devices
    from dig_bench.machine import roofline as known
    from dig_bench.machine.device_lock import alone_on
    from dig_bench.render.numbers import interval

    if out is not None and out.suffix != ".json":
        raise ValueError(f"--out takes a file that ends in .json, not {str(out)!r}")
    chosen = devices.choose(device)
    devices.require(chosen)
    screen = console()
    with alone_on(chosen, wait_s=wait, say=screen.print), screen.status("roofs") as status:
        found = None if again else known.kept(chosen, path=out, say=screen.print)
        if found is None:
            found = known.measure_and_keep(chosen, path=out, say=lambda text: status.update(f"roofs: {text}"))
    table = Table("roof", "measured (95 %)", "one after the other", "unit", title=found.device_name)
    for precision, each in found.products.items():
        in_a_row = found.sustained[precision]
        table.add_row(
            f"matrix product, {precision}",
            interval(each.median, each.low, each.high),
            interval(in_a_row.median, in_a_row.low, in_a_row.high),
            "TFLOP/s",
        )
    table.add_row("copy, read and written", "", interval(found.copy.median, found.copy.low, found.copy.high), "GB/s")
    for execution, each in found.launch_us.items():
        table.add_row(f"launch, {execution}", "", interval(each.median, each.low, each.high), "us")
    screen.print(table)
