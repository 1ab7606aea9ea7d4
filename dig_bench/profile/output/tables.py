"""Tables of profiles as text, the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Sequence

from dig_bench.profile import roofline
from dig_bench.profile.differences import differences
from dig_bench.profile.output.groups import Group, Pair, groups
from dig_bench.profile.output.tables_gaps import gaps
from dig_bench.profile.output.text import Text, ms
from dig_bench.profile.record import Profile
from dig_bench.profile.roofline import Point
from dig_bench.render.numbers import MISSING, percent, significant
from dig_bench.render.text import plain

TOP_KERNELS = 15
TOP_TENSORS = 10
MAX_NAME = 100

CAPPED = (
    "Capped: faster than the bound, which is therefore no limit. Some of its bytes came from a cache, or its peak is "
    "higher than the measured one."
)


def label(profile: Profile) -> str:
    """Returns `DiG-XL/2@fla · 2048 px · train · bf16 · batch 1 · cuda`."""
    return profile.cell.without("execution").label()


def tables(profile: Profile) -> list[Text]:
    return [components(profile), gaps(profile), kernels(profile), *memory(profile)]


def components(profile: Profile) -> Text:
    by_component = profile.by_component
    phases = profile.phases if len(profile.phases) > 1 else ()
    joules = profile.joules_per_image
    floor_ms = roofline.floor_ms(profile)
    rows = []
    points = roofline.points(profile)
    for point in sorted(points, key=lambda point: -point.ms):
        time = by_component[point.component]
        rows.append(
            [
                point.component,
                *(ms(time.phase_ms(phase)) for phase in phases),
                ms(point.ms),
                percent(point.ms / profile.device_ms),
                *([] if joules is None else [significant(joules * point.ms / profile.device_ms)]),
                significant(time.kernel_launches),
                significant(point.flops / 1e9 or None),
                significant(point.least_bytes / 1e6 or None),
                significant(point.intensity),
                significant(point.tflops_per_s),
                significant(point.gb_per_s),
                _share(point),
                _bound(point, profile),
            ]
        )
    total = [
        "sum",
        *(ms(sum(each.phase_ms(phase) for each in profile.components)) for phase in phases),
        ms(sum(each.total_ms for each in profile.components)),
        percent(sum(each.total_ms for each in profile.components) / profile.device_ms),
        *([] if joules is None else [significant(joules)]),
        significant(profile.kernel_launches),
        significant(sum(each.flops for each in profile.components) / 1e9),
        significant(sum(each.least_bytes for each in profile.components) / 1e6),
        *[""] * 3,
        "" if floor_ms is None else percent(floor_ms / profile.device_ms),
        "",
    ]
    return Text(
        title=f"{label(profile)}: time on {profile.where} by component",
        columns=[
            "component",
            *(f"{phase} ms" for phase in phases),
            "ms",
            "share",
            *([] if joules is None else ["J per image"]),
            "kernel launches",
            "GFLOP",
            "least MB",
            "FLOP/byte",
            "TFLOP/s",
            "GB/s",
            "of roofline",
            "bound by",
        ],
        rows=[*rows, total],
        note=CAPPED if any(point.is_capped for point in points) else "",
    )


def _share(point: Point) -> str:
    if point.share_of_roofline is None:
        return ""
    return "capped" if point.is_capped else percent(point.share_of_roofline)


def _bound(point: Point, profile: Profile) -> str:
    if point.bound != "cache":
        return point.bound or ""
    return "fits in L2" if profile.cell.device == "cuda" else "fits in cache"


def kernels(profile: Profile, top: int = TOP_KERNELS) -> Text:
    phases = len(profile.phases) > 1
    rest = profile.kernels[top:]
    rows = [
        [
            each.name if len(each.name) <= MAX_NAME else each.name[: MAX_NAME - 1] + "…",
            each.component,
            *([each.phase] if phases else []),
            significant(each.calls),
            ms(each.total_ms),
            significant(each.mean_us),
            percent(each.share),
        ]
        for each in profile.kernels[:top]
    ]
    if rest:
        total_ms = sum(each.total_ms for each in rest)
        rows.append(
            [
                f"{len(rest)} others",
                "",
                *([""] if phases else []),
                significant(sum(each.calls for each in rest)),
                ms(total_ms),
                "",
                percent(total_ms / profile.device_ms),
            ]
        )
    kind = "kernel" if profile.cell.device == "cuda" else "operator"
    columns = [kind, "component", *(["phase"] if phases else []), "calls", "ms", "mean us", "share"]
    return Text(title=f"Longest {kind}s", columns=columns, rows=rows)


def memory(profile: Profile) -> list[Text]:
    """Returns the peak by kind and the largest tensors at it; nothing without a memory profile."""
    found = profile.memory
    if not found:
        return []
    by_kind = [
        [kind, significant(size / 1e6), percent(size / found.peak_bytes)]
        for kind, size in sorted(found.by_kind.items(), key=lambda item: -item[1])
        if size
    ]
    tensors = [
        [
            plain(group.name or group.component, MAX_NAME),
            group.kind,
            str(group.count),
            significant(group.bytes / 1e6),
            group.line,
        ]
        for group in found.largest[:TOP_TENSORS]
    ]
    part = f", in {found.peak_part}" if found.peak_part else ""
    return [
        Text(
            title=f"Peak memory: {significant(found.peak_bytes / 1e6)} MB{part}",
            columns=["kind", "MB", "share"],
            rows=by_kind,
        ),
        Text(
            title="Largest tensors at the peak",
            columns=["tensor", "kind", "count", "MB each", "line"],
            rows=tensors,
        ),
    ]


def difference(pair: Pair) -> Text:
    base, other = pair.base, pair.other
    rows = [
        [each.component, ms(each.base_ms), ms(each.other_ms), f"{each.ms:+.3g}"] for each in differences(base, other)
    ]
    rows.append(["sum", ms(base.device_ms), ms(other.device_ms), f"{other.device_ms - base.device_ms:+.3g}"])
    return Text(
        title=f"{base.name} and {other.name}, {pair.group.conditions}: ms on {base.where} by component",
        columns=["component", base.name, other.name, "difference"],
        rows=rows,
    )


def every_model(profiles: Sequence[Profile]) -> Text:
    """Returns the unprofiled times, each with its ratio to the first model's."""
    found = groups(profiles)
    return Text(
        title=f"ms per step, one process each; in brackets, the ratio to {profiles[0].name}" if profiles else "",
        columns=["model", *(group.conditions for group in found)],
        rows=[
            [name, *(_beside_the_first(name, group, profiles[0].name) for group in found)]
            for name in dict.fromkeys(profile.name for profile in profiles)
        ],
    )


def _beside_the_first(name: str, group: Group, first: str) -> str:
    of_name = {profile.name: profile.unprofiled_ms for profile in group.profiles}
    if name not in of_name:
        return MISSING
    shown = ms(of_name[name])
    is_alone = name == first or first not in of_name
    return shown if is_alone else f"{shown} ({significant(of_name[name] / of_name[first])})"
