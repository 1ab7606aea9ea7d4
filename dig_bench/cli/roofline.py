"""`dig-bench roofline`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dig_bench.cli.app import DeviceOption, WaitOption, app, console

if TYPE_CHECKING:
    from rich.table import Table

    from dig_bench.measure.roofline import Roofline


@app.command()
def roofline(
    device: DeviceOption = "auto",
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="file of the roofline; default: results/MACHINE/roofline.json"),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="measure even if a roofline is stored")] = False,
    wait: WaitOption = None,
) -> None:
    """Measure this machine's roofline: GEMM throughput, bandwidth of memory and cache, kernel-launch latency.

    `dig-bench profile` compares each component of a network with it. No value comes from a datasheet. On a GPU the peak
    is that of a single GEMM after a pause: GEMMs back to back reach the power limit; a network may not. A CPU that
    other processes use is not measured.

    \b
    dig-bench roofline
    dig-bench roofline --again --output roofline.json
    """
    from dig_bench.files import output_file
    from dig_bench.machine import devices
    from dig_bench.machine import roofline as stored
    from dig_bench.machine.device_lock import alone_on

    output_file.check([output] if output else [], [".json"])
    chosen = devices.choose(device)
    devices.require(chosen)
    screen = console()
    with alone_on(chosen, wait_s=wait, say=screen.print), screen.status("roofline") as status:
        found = None if again else stored.load(chosen, path=output, say=screen.print)
        if found is None:
            found = stored.measure_and_store(chosen, path=output, say=lambda text: status.update(f"roofline: {text}"))
    screen.print(_table(found))


def _table(found: Roofline) -> Table:
    from rich.table import Table

    from dig_bench.cell import EXECUTION_LABELS
    from dig_bench.measure.roofline import Measured
    from dig_bench.render.numbers import interval

    def shown(value: Measured) -> str:
        return interval(value.median, value.low, value.high)

    table = Table("", "measured (95 %)", "back to back (95 %)", "unit", title=found.device_name)
    for precision, value in found.gemm.items():
        table.add_row(f"GEMM, {precision}", shown(value), shown(found.sustained[precision]), "TFLOP/s")
    table.add_row("memory bandwidth (copy, read + write)", "", shown(found.copy), "GB/s")
    if found.cache and found.cache_bytes:
        size = f"{found.cache_bytes / 2**20:.3g} MiB"
        table.add_row(f"bandwidth of the last-level cache, {size} (copy, read + write)", "", shown(found.cache), "GB/s")
    for execution, value in found.kernel_launch_us.items():
        table.add_row(f"kernel launch, {EXECUTION_LABELS[execution]}", "", shown(value), "µs")
    return table
