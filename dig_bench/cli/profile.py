"""`dig-bench profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli.app import FAILED, OK, DeviceOption, PluginOption, WaitOption, app, check_folder, console, warn
from dig_bench.cli.measured import BatchOption, PrecisionOption, ResOption, TimeoutOption, what

EXIT_CODES = (
    "Exit codes: 0 every cell has its profile, or does not fit into memory, or cannot run here; 1 a cell crashed, "
    "timed out or disagreed with its reference; 2 the command cannot be run as it is written; 130 interrupted."
)


@app.command(epilog=EXIT_CODES)
def profile(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="DiG-XL/2@fla, 'DiT-XL/2@*'; several side by side")
    ],
    against: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="a model to put beside the others; repeatable")
    ] = None,
    res: ResOption = None,
    mode: Annotated[str | None, what(metavar="LIST", help="forward, train: one pass, one step")] = None,
    batch: BatchOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "auto",
    plugin: PluginOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="of the data, else results/MACHINE/profile")
    ] = None,
    reports: Annotated[Path, typer.Option(metavar="FOLDER", help="of the page and its figures")] = Path("reports"),
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="of the page, else that of the first model")
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="write a gzipped trace for Perfetto or Chrome")] = False,
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="write PyTorch's memory snapshot, for pytorch.org/memory_viz")
    ] = False,
    nvtx: Annotated[
        bool, typer.Option("--nvtx", help="only run under NVTX ranges, for `nsys profile`; writes nothing")
    ] = False,
    resume: Annotated[bool, typer.Option(help="keep profiles of this machine and revision that are there")] = True,
    wait: WaitOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print errors and the paths written, no more")] = False,
    timeout: TimeoutOption = None,
) -> None:
    """Say where a step's time and memory go: by component, by kernel, against this machine's roofs.

    Components come from hooks on the backbone's modules, so that a plugin's is profiled as it is.

    \b
    dig-bench profile DiG-XL/2@fla --res 2048 --against DiT-XL/2@flash2
    dig-bench profile DiG-S/2 DiT-S/2 --res 256..2048 --mode forward,train
    dig-bench profile DiG-S/2 --res 512 --trace --snapshot
    nsys profile -c cudaProfilerApi dig-bench profile DiG-XL/2@fused --res 2048 --nvtx
    """
    from dig_bench.machine import devices
    from dig_bench.plan import plugins
    from dig_bench.plan.options import parse_axes
    from dig_bench.plan.sweep import make
    from dig_bench.profile import session
    from dig_bench.render.page import check_name

    plugins.load(plugin or ())
    chosen = devices.choose(device)
    wanted = make(
        device=chosen,
        axes=parse_axes(
            models=[*models, *(against or ())],
            res=res or ("1024" if chosen == "cuda" else "256"),
            mode=mode or "forward",
            batch=batch or "1",
            precision=precision or ("bf16" if chosen == "cuda" else "fp32"),
            execution="eager",
        ),
        protocol={"timeout_s": timeout},
        plugins=plugin or (),
    )
    page_name = name or session.page_name(wanted)
    if not nvtx:
        # Before hours of measuring, and not after.
        check_name(page_name)
        check_folder(reports / page_name)
    found = session.run(
        wanted,
        out,
        exports=session.Exports(trace=trace, snapshot=snapshot, nvtx=nvtx),
        resume=resume,
        wait_s=wait,
        quiet=quiet,
        console=console(),
    )
    if not nvtx:
        for path in found.write(reports, page_name, say=warn):
            print(path)
    raise typer.Exit(FAILED if found.any_failed else OK)
