"""`dig-bench flops`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dig_bench.cli.app import PluginOption, app, console

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dig_bench.profile.flops_audit import Audit


@app.command()
def flops(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="DiG-XL/2, 'DiT-*/2'")],
    res: Annotated[str, typer.Option(metavar="LIST", help="256,1024 or 256..2048")] = "256",
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="images in the batch")] = 1,
    plugin: PluginOption = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE.json", help="also write the figures there")] = None,
) -> None:
    """Exact FLOPs of a forward pass by component, beside what PyTorch's counter sees and what the paper states.

    Two FLOPs are one multiply-accumulate; what papers call GFLOPs are multiply-accumulates. Differences above 1 % are
    explained. Nothing is computed: shapes are enough.

    \b
    dig-bench flops DiG-XL/2
    dig-bench flops 'DiG-*/2' 'DiT-*/2'
    dig-bench flops DiG-S/2 --res 256..2048 --output flops.json
    """
    import json
    from dataclasses import asdict

    from dig_bench.files import output_file
    from dig_bench.plan import plugins
    from dig_bench.plan.axes import select_models
    from dig_bench.plan.options import parse_resolutions
    from dig_bench.profile.flops_audit import audit

    output_file.check([output] if output else [], [".json"])
    plugins.load(plugin or ())
    names = dict.fromkeys(model for model, _ in select_models(models, "cpu"))
    screen = console()
    found = []
    for name in names:
        for resolution_px in parse_resolutions(res):
            with screen.status(f"{name} at {resolution_px} px"):
                each = audit(name, resolution_px=resolution_px, batch_size=batch)
            found.append(each)
            screen.print(_shown(each))
    if output:
        output_file.write(output, json.dumps([asdict(each) for each in found], indent=1) + "\n")
        print(output)


def _shown(found: Audit) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from dig_bench.render.numbers import MISSING, percent, significant

    def counted(flops: float) -> str:
        return MISSING if found.counted is None else significant(flops / 1e9, 4)

    seen, total = found.counted or {}, sum(found.exact.values())
    table = Table("component", "exact GFLOP", "share", "torch.utils.flop_counter")
    for column in table.columns[1:]:
        column.justify = "right"
    for component, flops in found.exact.items():
        table.add_row(
            Text(component), significant(flops / 1e9, 4), percent(flops / total), counted(seen.get(component, 0))
        )
    table.add_row("sum", significant(total / 1e9, 4), percent(1.0), counted(sum(seen.values())))
    published = f", published {found.published_gmacs:.4g} ({found.source})" if found.published_gmacs else ""
    return Group(
        Text(f"{found.model} at {found.resolution_px} px, batch {found.batch_size}, one forward pass", style="bold"),
        table,
        Text(f"multiply-accumulates of an image: {found.gmacs:.4g} G{published}"),
        *([Text(f"the counter was not run: {found.not_counted}", style="dim")] if found.not_counted else []),
        *map(Text, found.explanations()),
        "",
    )
