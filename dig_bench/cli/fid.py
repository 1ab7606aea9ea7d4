"""`dig-bench fid`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dig_bench.cli.app import DeviceOption, app, console, needs

if TYPE_CHECKING:
    from dig_bench.fid.scores import Scores


@app.command()
def fid(
    real: Annotated[
        str, typer.Argument(metavar="REAL", help="folder of images, .npz, or `digits` for the embedded ones")
    ],
    fake: Annotated[str, typer.Argument(metavar="FAKE", help="folder of images, or .npz from `dig-bench sample`")],
    features: Annotated[
        str, typer.Option(metavar="NAME", help="digits, or inception:FILE with a local file of weights")
    ] = "digits",
    bootstrap: Annotated[
        int,
        typer.Option(metavar="N", help="resamples for the 95 % interval at this number of images, at least 2; 0: none"),
    ] = 200,
    infinity: Annotated[
        bool, typer.Option("--infinity", help="also extrapolate to infinitely many images of both sets")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="seed of the resamples")] = 0,
    output: Annotated[Path | None, typer.Option(metavar="FILE.json", help="also write the scores as JSON")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Score generated images against real ones: Fréchet distance, precision, recall and class score.

    With Inception's features the distance is FID. With the package's classifier of digits it is FD-digits, which cannot
    be compared with FID. Few images bias the distance upward; its interval is that of the distance at this number of
    images. --infinity removes most of the bias.

    \b
    dig-bench fid digits images/images.npz
    dig-bench fid photos/ images/images.npz --features inception:weights-inception-2015-12-05-6726825d.pth
    """
    needs("PIL", "safetensors", what="scoring")
    from dig_bench.fid import images
    from dig_bench.fid.features import extractor
    from dig_bench.fid.resampling import check_resamples
    from dig_bench.fid.scores import score
    from dig_bench.files import json_codec, output_file
    from dig_bench.machine import devices
    from dig_bench.measure import memory

    output_file.check([output] if output else [], (".json",))
    if bootstrap:
        check_resamples(bootstrap)
    chosen = devices.choose(device)
    devices.require(chosen)
    with memory.enough("fewer images and --bootstrap 0 need less of it"):
        extract = extractor(features, device=chosen)
        sides = [extract(images.read(source)) for source in (real, fake)]
        found = score(*sides, metric=extract.metric, resamples=bootstrap, infinity=infinity, seed=seed)
    _print(found)
    if output:
        output_file.write(output, json_codec.dumps(found, indent=2))


def _print(found: Scores) -> None:
    lines = {f"{found.metric} at these numbers of images": f"{found.distance:.4g}"}
    if found.distance_low is not None:
        lines["95 % interval of it (bootstrap)"] = f"{found.distance_low:.4g} to {found.distance_high:.4g}"
    if found.distance_at_infinity is not None:
        lines[f"{found.metric} at infinity, both sets"] = f"{found.distance_at_infinity:.4g}"
    lines |= {
        "class score": f"{found.class_score:.3f}",
        "precision": f"{found.precision:.3f}",
        "recall": f"{found.recall:.3f}",
        "images": f"{found.num_fake} fake, {found.num_real} real",
    }
    width = max(map(len, lines))
    for name, text in lines.items():
        console().print(f"{name:<{width}}  {text}", highlight=False)
