"""`dig-bench profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli import complete
from dig_bench.cli.app import FAILED, OK, app, console, warn
from dig_bench.cli.folders import check_folder
from dig_bench.cli.option_groups import Only, with_option_groups
from dig_bench.cli.sweep_options import RunOptions, SweepOptions, what

EXIT_CODES = (
    "Exit codes: 0 every cell has its profile, is out of memory or is unsupported; "
    "1 a cell crashed, timed out or failed the correctness check; 2 usage error; "
    "130 interrupted: run the same command again to resume."
)


@app.command(epilog=EXIT_CODES)
@with_option_groups
def profile(
    *,
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL", autocompletion=complete.models, help="DiG-XL/2@fla, 'DiT-XL/2@*'; compared if several"
        ),
    ],
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", autocompletion=complete.models, help="model to compare with; repeatable"),
    ] = None,
    mode: Annotated[
        str, what(metavar="LIST", autocompletion=complete.modes, help="forward (one pass), train (one training step)")
    ] = "forward",
    options: Annotated[SweepOptions, Only("res", "batch", "precision", "plugin", "device", "timeout")],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="folder of the profiles; default: results/MACHINE/profile")
    ] = None,
    reports: Annotated[Path, typer.Option(metavar="FOLDER", help="folder of the page and its figures")] = Path(
        "reports"
    ),
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="name of the page; default: that of the first model")
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="write a gzipped trace for Perfetto or Chrome")] = False,
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="write PyTorch's memory snapshot, for pytorch.org/memory_viz")
    ] = False,
    nvtx: Annotated[
        bool, typer.Option("--nvtx", help="only run under NVTX ranges, for `nsys profile`; write nothing")
    ] = False,
    run: RunOptions,
) -> None:
    """Profile time and memory of a step by component and by kernel, against this machine's roofline.

    Hooks on the backbone's modules find the components, so plugins need no changes.

    \b
    dig-bench profile DiG-XL/2@fla --res 2048 --against DiT-XL/2@flash2
    dig-bench profile DiG-S/2 DiT-S/2 --res 256..2048 --mode forward,train
    dig-bench profile DiG-S/2 --res 512 --trace --snapshot
    nsys profile -c cudaProfilerApi dig-bench profile DiG-XL/2@fused --res 2048 --nvtx
    """
    from dig_bench.machine import devices
    from dig_bench.plan import plugins
    from dig_bench.plan.parse import parse_axes
    from dig_bench.plan.sweep import make
    from dig_bench.profile import folder, session
    from dig_bench.profile.output import page, terminal
    from dig_bench.render.page import check_name

    plugins.load(options.plugin or ())
    chosen = devices.choose(options.device)
    wanted = make(
        device=chosen,
        axes=parse_axes(
            models=[*models, *(against or ())],
            res=options.res or ("1024" if chosen == "cuda" else "256"),
            mode=mode,
            batch=options.batch or "1",
            precision=options.precision or ("bf16" if chosen == "cuda" else "fp32"),
            execution="eager",
        ),
        protocol={"timeout_s": options.timeout},
        plugins=options.plugin or (),
    )
    page_name = name or session.page_name(wanted)
    if not nvtx:
        # Before hours of measuring.
        check_name(page_name)
        check_folder(reports / page_name)
    found = session.run(
        wanted,
        out,
        exports=session.Exports(trace=trace, snapshot=snapshot, nvtx=nvtx),
        resume=run.resume,
        wait_s=run.wait,
        quiet=run.quiet,
        console=console(),
    )
    if not nvtx:
        if found.profiles and not run.quiet:
            console().print(terminal.render(found.profiles))
        tables = folder.write_tables(found.folder, folder.read_all(found.folder, say=warn))
        profiled = folder.Contents(profiles=found.profiles, failures=found.failures)
        for path in [*found.paths, *tables, *page.write(reports, page_name, profiled)]:
            print(path)
    raise typer.Exit(FAILED if found.any_failed else OK)
