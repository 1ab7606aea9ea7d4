"""`dig-bench flops`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli import complete
from dig_bench.cli.app import PluginOption, app, console


@app.command()
def flops(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL", autocompletion=complete.models, help="DiG-XL/2, 'DiT-*/2'")
    ],
    res: Annotated[str, typer.Option(metavar="LIST", help="256,1024 or 256..2048")] = "256",
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="batch size")] = 1,
    plugin: PluginOption = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE.json", help="write the FLOPs to this file, too")] = None,
) -> None:
    """Count exact FLOPs of a forward pass by component, and compare them with PyTorch's counter and the paper.

    One multiply-accumulate is two FLOPs; what papers call GFLOPs are multiply-accumulates. Differences above 1 % are
    explained. Nothing is computed: the shapes are enough.

    \b
    dig-bench flops DiG-XL/2
    dig-bench flops 'DiG-*/2' 'DiT-*/2'
    dig-bench flops DiG-S/2 --res 256..2048 --output flops.json
    """
    from dig_bench.files import json_codec, output_file
    from dig_bench.plan import plugins
    from dig_bench.plan.axes import select_models
    from dig_bench.plan.parse import parse_resolutions
    from dig_bench.profile.flops_audit import audit
    from dig_bench.profile.output.flops import render

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
            screen.print(render(each))
    if output:
        output_file.write(output, json_codec.dumps(found))
        print(output)
