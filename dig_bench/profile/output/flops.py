"""Audits of FLOPs for a terminal: tables by component, and explanations of differences."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dig_bench.profile.flops_audit import TOLERANCE, Audit
from dig_bench.render.numbers import MISSING, percent, significant


def render(audit: Audit) -> RenderableType:
    counted, total = audit.counted or {}, sum(audit.exact.values())
    table = Table("component", "exact GFLOP", "share", "torch.utils.flop_counter")
    for column in table.columns[1:]:
        column.justify = "right"
    for component, flops in audit.exact.items():
        seen = MISSING if audit.counted is None else _giga(counted.get(component, 0))
        table.add_row(Text(component), _giga(flops), percent(flops / total), seen)
    table.add_row("sum", _giga(total), percent(1.0), MISSING if audit.counted is None else _giga(sum(counted.values())))
    published = f", published {significant(audit.published_gmacs, 4)} ({audit.source})" if audit.published_gmacs else ""
    return Group(
        Text(f"{audit.model} at {audit.resolution_px} px, batch {audit.batch_size}, one forward pass", style="bold"),
        table,
        Text(f"GMAC per image: {significant(audit.gmacs, 4)}{published}"),
        *([Text(f"the counter was not run: {audit.not_counted}", style="dim")] if audit.not_counted else []),
        *map(Text, explanations(audit)),
        "",
    )


def explanations(audit: Audit) -> Iterator[str]:
    """Explains every difference above TOLERANCE."""
    for component in audit.unseen:
        seen = (audit.counted or {}).get(component, 0)
        yield (
            f"{component}: the counter sees {_giga(seen)} of {_giga(audit.exact[component])} GFLOP. It counts matmuls, "
            "convolutions and attention only, and the reference of this component uses other operators."
        )
    if audit.published_gmacs is None or abs(audit.excess or 0.0) <= TOLERANCE:
        return
    published, left_out = audit.published_gmacs, audit.left_out
    exact = f"published {significant(published, 4)} GMAC, exact {significant(audit.gmacs, 4)}"
    if left_out is None:
        yield f"{exact} ({_signed(audit.gmacs / published - 1)}): no component that could be left out explains it"
    else:
        named = " and ".join(f"{name} ({significant(gmacs, 4)})" for name, gmacs in left_out.gmacs.items())
        yield (
            f"{exact}: without {named} it is {significant(left_out.rest_gmacs, 4)} "
            f"({_signed(left_out.rest_gmacs / published - 1)}), so the paper probably leaves that out"
        )


def _giga(flops: float) -> str:
    return significant(flops / 1e9, 4)


def _signed(share: float) -> str:
    return f"{100 * share:+.2f} %"
