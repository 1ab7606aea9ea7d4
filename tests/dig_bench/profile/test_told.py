"""Sentences that a profile carries: gaps that were measured, intervals, power limits; none if not representative."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dig_bench.profile import roofline
from dig_bench.profile.folder import Contents
from dig_bench.profile.output import figures, page, sentences, tables
from dig_bench.profile.record import Profile, read
from profiles import graph, pair_of, profile

ROOT = Path(__file__).parents[3]


def with_gaps(name: str, gap_ms: float) -> Profile:
    total_ms = 10.0 + gap_ms
    return profile(name, unprofiled_ms=total_ms, gaps=[graph(total_ms, traced_ms=total_ms, gap_ms=gap_ms)])


def test_gaps_that_were_measured_explain_a_difference_of_equal_kernels() -> None:
    said = sentences.compared(pair_of(with_gaps("DiG-S/2@chunked", 0.5), with_gaps("DiT-S/2@math", 2.0)))
    assert "The kernels of DiG-S/2@chunked are no faster. The gaps between kernels take 0.500 against 2.00 ms." in said


def test_gaps_are_never_the_difference_of_latency_and_kernels() -> None:
    """As in profiles of 2026-11, whose traces were of another clock state than their latencies."""
    idle = profile("DiT-S/2@math", unprofiled_ms=30.0, gaps=[graph(30.0)])
    assert sentences.compared(pair_of(profile(), idle)).endswith("are no faster.")
    text = tables.gaps(idle)
    assert text.title == "Kernel launches"
    assert not any("gap" in column or "idle" in column for column in text.columns)
    assert text.note == ""


def test_the_gaps_of_a_trace_that_is_much_slower_than_the_step_are_not_shown() -> None:
    fair = graph(10.4, traced_ms=10.5, gap_ms=0.5)
    eager = replace(fair, execution="eager", latency_ms=20.0, traced_ms=25.0, gap_ms=15.0)
    text = tables.gaps(profile(gaps=[eager, fair]))
    found = [dict(zip(text.columns, row, strict=True)) for row in text.rows]
    assert [row["gaps ms"] for row in found] == ["\N{EN DASH}", "0.500"]
    assert [row["gap us per launch"] for row in found] == ["\N{EN DASH}", "1.25"]
    assert "may lengthen them" in text.note


def test_latencies_whose_intervals_overlap_are_inconclusive() -> None:
    base, other = (
        profile(name, unprofiled_ms=ms, gaps=[graph(ms, latency_low_ms=ms - 0.2, latency_high_ms=ms + 0.2)])
        for name, ms in (("DiG-S/2@chunked", 10.0), ("DiT-S/2@math", 10.3))
    )
    assert sentences.compared(pair_of(other, base)) == (
        "256 px: DiG-S/2@chunked takes 10.0 ms and DiT-S/2@math 10.3 ms in one process each: inconclusive, since "
        "their intervals overlap."
    )
    assert figures.difference(pair_of(base, other)).title == "DiT-S/2@math and DiG-S/2@chunked"


def test_a_power_capped_step_beside_another_one_is_named_with_its_energy() -> None:
    capped = graph(30.0, joules=21.6, power_w=720.0, throttle_reasons="application_clocks sw_power_cap")
    free = graph(10.0, joules=3.0, power_w=300.0, throttle_reasons="")
    base, other = profile(gaps=[free]), profile("DiT-S/2@math", unprofiled_ms=30.0, gaps=[capped])
    said = "DiT-S/2@math runs at the power limit of the GPU, DiG-S/2@chunked does not."
    assert said in sentences.compared(pair_of(base, other))
    assert "power limit" not in sentences.compared(pair_of(base, profile("DiT-S/2@math", gaps=[free])))
    assert "power limit" not in sentences.compared(pair_of(base, profile("DiT-S/2@math", gaps=[graph(30.0)])))
    assert "the energy of a step, 21.6 J at 720 W, sets its time" in sentences.against_the_roofline(other, "256 px")
    assert "power limit" not in sentences.against_the_roofline(base, "256 px")


def test_a_profile_that_differs_by_a_fifth_from_the_unprofiled_step_gives_no_finding(tmp_path: Path) -> None:
    """Components take 10 ms."""
    good, bad = profile(), profile(unprofiled_ms=8.2)
    other, bad_other = profile("DiT-S/2@math", unprofiled_ms=11.0), profile("DiT-S/2@math", unprofiled_ms=13.0)
    assert [each.is_representative for each in (good, bad, other, bad_other)] == [True, False, True, False]
    assert sentences.findings([bad, other]) == [[]]
    ((said,),) = sentences.findings([good, bad_other])
    assert said.startswith("DiG-S/2@chunked at 256 px")
    (doubt,) = sentences.not_representative([bad, other])
    assert doubt == (
        "The profile of DiG-S/2@chunked at 256 px · forward · fp32 · batch 1 · cpu is not representative and gives no "
        "finding: profiled, a step takes +22\N{NO-BREAK SPACE}% against an unprofiled one."
    )
    written, *_ = page.write(tmp_path, "mine", Contents(profiles=[bad, other], failures=[]))
    text = written.read_text()
    assert "not representative" in text
    assert "What makes the difference" not in text
    assert "times as long" not in text
    assert "Why DiT-S/2" not in text


def test_the_profiled_time_is_that_of_kernels_and_gaps() -> None:
    assert profile(gaps=[graph(11.0, traced_ms=11.0, gap_ms=0.5)]).disagreement == pytest.approx(10.5 / 11 - 1)
    # Profiles of 2026-11 have no gaps.
    assert profile(gaps=[graph(11.0)]).disagreement == 0.0
    assert profile(unprofiled_ms=8.0).disagreement == pytest.approx(0.25)


@pytest.mark.parametrize("path", sorted((ROOT / "results").glob("*/profile/*px_b*.json")), ids=lambda path: path.stem)
def test_committed_profiles_can_be_read_and_show_no_gaps_that_nobody_measured(path: Path) -> None:
    value = json.loads(path.read_text())
    if "detail" in value:
        return
    found = read(value)
    assert all(not each.shows_gaps for each in found.gaps if each.traced_ms is None)
    assert all((point.share_of_roofline or 0) <= 1 for point in roofline.points(found))
