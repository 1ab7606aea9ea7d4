"""The page and the terminal show the findings, and escape all texts."""

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from dig_bench.parity.output import page, terminal, words
from dig_bench.parity.verdict import against_first
from parity_results import results


def test_the_page_holds_verdicts_curves_and_settings(tmp_path: Path) -> None:
    found = results("DiG-T/2@chunked", "DiT-T/2@sdpa")
    html, *figures = page.write(found, against_first(found), tmp_path)
    text = html.read_text()
    assert "DiG-T/2@chunked and DiT-T/2@sdpa are different over 3 seeds" in text
    assert text.count("<svg") == 2
    parts = ("FD-digits", "loss, last fifth", "digits", "2.13", "1,234", "the distances at 2,000 generated images")
    for part in (*parts, "90 % interval", "-4.8\N{NO-BREAK SPACE}% to +5.0\N{NO-BREAK SPACE}%"):
        assert part in text
    assert [path.name for path in figures] == [
        "learning-curves.png",
        "learning-curves.svg",
        "distances.png",
        "distances.svg",
    ]


def test_contenders_show_how_much_their_losses_still_fall() -> None:
    """Two fifths of a hyperbola: (1/18 + 1/19) / (1/14 + 1/15) = 0.783. A single window has none before it."""
    found = results("A", seeds=2)
    assert words.contenders(found)[0][3] == "-21.7\N{NO-BREAK SPACE}%"
    short = replace(found, runs=tuple(replace(run, curve=(1.0,)) for run in found.runs))
    assert words.contenders(short)[0][3] == ""


def test_an_inconclusive_verdict_says_how_many_seeds_would_decide(tmp_path: Path) -> None:
    found = results("A", "B", seeds=2)
    noisy = replace(found, runs=tuple(replace(run, distance=2.0 + run.seed * (run.name == "B")) for run in found.runs))
    alike = replace(noisy, runs=tuple(replace(run, curve=found.runs[run.seed].curve) for run in noisy.runs))
    text = page.write(alike, against_first(alike), tmp_path)[0].read_text()
    assert "A and B: inconclusive over 2 seeds, neither different nor shown equivalent; about " in text


def test_names_are_escaped_and_a_single_seed_has_no_verdict(tmp_path: Path) -> None:
    found = results("<b>[red]A", seeds=1)
    text = page.write(found, [], tmp_path)[0].read_text()
    assert "<b>[red]A" not in text
    assert "A verdict needs at least two seeds" in text


def test_the_terminal_shows_every_contender_and_verdict() -> None:
    found = results("[red]A", "B", "C")
    out = io.StringIO()
    Console(file=out, width=150).print(terminal.render(found, against_first(found)))
    text = out.getvalue()
    assert "[red]A" in text
    assert text.count("different") >= 2
    assert "99.5" in text
