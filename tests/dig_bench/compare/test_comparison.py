"""The comparison of two sides: regressions, other changes, and cells that are not compared at all."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from dig_bench.cell import Cell, Row
from dig_bench.compare.calibration import Calibration, Noise
from dig_bench.compare.cell_comparison import CellComparison
from dig_bench.compare.comparison import Comparison, ExitCode, compare
from dig_bench.compare.error_rate import holm
from dig_bench.compare.evidence import Evidence, read_evidence
from dig_bench.compare.noise import MAX_DEGREES, shared_noise
from dig_bench.compare.settings import Settings, parse_metrics
from dig_bench.compare.thresholds import parse_rule, parse_rules

CELL = Cell(model="DiG-S/2", backend="fla", resolution_px=1024, device="cuda")
OTHER = replace(CELL, backend="chunked")
CALM = (0.999, 1.0, 1.001)
ENVIRONMENT = {
    "device": "cuda",
    "gpu_name": "a GPU",
    "driver": "580",
    "power_limit_w": 700.0,
    "torch": "2.13",
    "cpu": "a CPU",
    "git_revision": "0" * 40,
}


def rows_of(cell: Cell = CELL, spread: Sequence[float] = CALM, **found: Any) -> list[Row]:
    """One row per process; times and energy vary by `spread`."""
    values: dict[str, Any] = {
        "latency_ms_median": 10.0,
        "first_call_s": 5.0,
        "energy_j_per_image": 4.0,
        "peak_allocated_mib": 1000.0,
        "device_name": "a GPU",
        **found,
    }
    status = values.pop("status", "ok")
    varying = ("latency_ms_median", "first_call_s", "energy_j_per_image")
    return [
        Row.of(
            replace(cell, process=number),
            status,
            **{**values, **{name: values[name] and values[name] * factor for name in varying}},
        )
        for number, factor in enumerate(spread, start=1)
    ]


def failed(cell: Cell = CELL, status: Any = "oom", processes: Sequence[int] = (1, 2, 3)) -> list[Row]:
    return [Row.of(replace(cell, process=number), status, detail="made up") for number in processes]


def manifest(environment: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "environment": {**ENVIRONMENT, **(environment or {})},
        "spec": {"protocol.max_samples": 1000, **spec},
        "finished_at": "2026-01-02T03:44:05Z",
    }


def compared(base: Sequence[Row], candidate: Sequence[Row], **settings: Any) -> Comparison:
    sides = (Evidence.of(rows, manifest=manifest()) for rows in (base, candidate))
    return compare(*sides, Settings(**settings))


def only(comparison: Comparison) -> CellComparison:
    (cell,) = comparison.cells
    return cell


def verdicts(comparison: Comparison) -> dict[str, str]:
    return {finding.metric: finding.verdict for finding in only(comparison).findings}


def test_the_same_processes_are_the_same() -> None:
    found = compared(rows_of(), rows_of())
    assert verdicts(found) == {"latency": "same", "memory": "same", "first-call": "same", "energy": "same"}
    assert found.exit_code == ExitCode.FINE


@pytest.mark.parametrize(
    ("column", "value", "metric"),
    [
        ("latency_ms_median", 10.5, "latency"),
        ("peak_allocated_mib", 1064.0, "memory"),
        ("first_call_s", 10.0, "first-call"),
        ("energy_j_per_image", 4.4, "energy"),
    ],
)
def test_each_metric_can_be_a_regression_or_an_improvement(column: str, value: float, metric: str) -> None:
    worse = compared(rows_of(), rows_of(**{column: value}))
    assert [name for name, verdict in verdicts(worse).items() if verdict == "slower"] == [metric]
    assert worse.exit_code == ExitCode.REGRESSION
    better = compared(rows_of(**{column: value}), rows_of())
    assert [name for name, verdict in verdicts(better).items() if verdict == "faster"] == [metric]
    assert better.exit_code == ExitCode.FINE


@pytest.mark.parametrize("status", ["oom", "timeout", "crashed", "mismatch", "unsupported"])
def test_a_cell_that_was_measured_and_now_fails_is_a_regression(status: str) -> None:
    found = compared(rows_of(), failed(status=status))
    assert (only(found).state, only(found).candidate_status) == ("failed", status)
    assert found.exit_code == ExitCode.REGRESSION


def test_one_process_that_fails_is_a_regression() -> None:
    found = compared(rows_of(), [*rows_of()[:2], *failed(processes=[3])])
    assert only(found).state == "failed"
    assert only(found).detail == "1 of 3 processes: oom: made up"


def test_a_cell_without_a_row_is_a_regression() -> None:
    found = compared([*rows_of(), *rows_of(OTHER)], rows_of())
    assert [cell.key.backend for cell in found.regressions] == ["chunked"]
    assert found.regressions[0].detail == "no row in the candidate"


def test_a_deleted_row_is_missed_although_its_cell_has_others() -> None:
    rows = [*rows_of(), *rows_of(OTHER)]
    found = compared(rows, [row for row in rows if row.cell != replace(CELL, process=2)])
    assert [(cell.state, cell.detail) for cell in found.regressions] == [("missing", "no row of process 2")]


def test_a_process_that_was_asked_for_is_missed_although_no_cell_has_it() -> None:
    sides = [Evidence.of(rows, manifest=manifest(process=[1, 2, 3])) for rows in (rows_of(), rows_of()[:2])]
    assert only(compare(*sides, Settings())).detail == "no row of process 3"


def test_fewer_processes_than_the_base_are_not_missing_when_they_were_not_asked_for() -> None:
    found = compared(rows_of(spread=(*CALM, 1, 1)), rows_of())
    assert found.exit_code == ExitCode.FINE


def test_new_and_repaired_cells_are_listed_and_no_regression() -> None:
    found = compared([*rows_of(), *failed(OTHER)], [*rows_of(), *rows_of(OTHER), *rows_of(replace(CELL, batch_size=8))])
    assert [cell.state for cell in found.new] == ["fixed", "new"]
    assert found.exit_code == ExitCode.FINE


def test_a_cell_that_fails_on_both_sides_is_not_compared() -> None:
    found = compared([*rows_of(), *failed(OTHER)], [*rows_of(), *failed(OTHER, "timeout")])
    assert [cell.state for cell in found.cells] == ["compared", "not measured"]
    assert found.exit_code == ExitCode.FINE


def test_processes_that_fail_on_both_sides_leave_a_cell_undecided() -> None:
    flaky = [*rows_of()[:2], *failed(status="crashed", processes=[3])]
    found = compared(flaky, flaky)
    assert only(found).state == "unstable"
    assert found.exit_code == ExitCode.UNDECIDED


def test_a_throttled_process_contributes_its_memory_but_no_time() -> None:
    throttled = rows_of(status="throttled", latency_ms_median=20.0, peak_allocated_mib=1064.0)
    found = compared(rows_of(), throttled)
    assert verdicts(found) == {
        "latency": "undecided",
        "memory": "slower",
        "first-call": "undecided",
        "energy": "undecided",
    }
    assert only(found).findings[0].note == "no usable value in the candidate"


def test_a_noisy_process_is_judged_by_its_value() -> None:
    assert compared(rows_of(), rows_of(status="noisy")).exit_code == ExitCode.FINE
    assert compared(rows_of(), rows_of(status="noisy", latency_ms_median=11.0)).exit_code == ExitCode.REGRESSION


def test_too_few_processes_are_undecided_and_say_so() -> None:
    found = compared(rows_of(spread=(1, 1)), rows_of(spread=(1, 1), latency_ms_median=20.0))
    assert only(found).findings[0].note == "2 and 2 processes: needs 3 per side, better 5"
    assert only(found).findings[0].more_processes == 3
    assert verdicts(found)["memory"] == "same"
    assert found.exit_code == ExitCode.UNDECIDED


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 0.0, None])
def test_an_unusable_latency_is_a_failure_and_another_unusable_value_leaves_its_metric_undecided(
    value: float | None,
) -> None:
    found = compared(rows_of(), rows_of(latency_ms_median=value))
    assert only(found).state == "failed"
    assert only(found).detail == "3 of 3 processes: ok: no latency"
    assert found.exit_code == ExitCode.REGRESSION
    assert verdicts(compared(rows_of(), rows_of(first_call_s=value)))["first-call"] == "undecided"


@pytest.mark.parametrize(
    "base",
    [
        [],
        failed(),
        rows_of(latency_ms_median=None, first_call_s=None, energy_j_per_image=None, peak_allocated_mib=None),
    ],
)
def test_a_base_without_values_leaves_nothing_to_compare(base: list[Row]) -> None:
    assert compared(base, rows_of()).exit_code == ExitCode.NOTHING_MEASURED


def test_everything_lost_is_a_regression_and_not_nothing() -> None:
    assert compared(rows_of(), []).exit_code == ExitCode.REGRESSION


def test_other_kernels_are_noted() -> None:
    found = compared(rows_of(kernels="scan=fla 0.6"), rows_of(kernels="scan=fla 0.7"))
    assert only(found).notes == ("kernels: scan=fla 0.6 before, scan=fla 0.7 now",)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gpu_name", "another"),
        ("driver", "581"),
        ("power_limit_w", 500.0),
        ("torch", "2.14"),
        ("NVIDIA_TF32_OVERRIDE", "0"),
    ],
)
def test_other_conditions_refuse_the_comparison_and_say_what_differs(key: str, value: object) -> None:
    base = Evidence.of(rows_of(), manifest=manifest())
    candidate = Evidence.of(rows_of(latency_ms_median=20.0), manifest=manifest({key: value}))
    refused = compare(base, candidate, Settings())
    assert [difference.what for difference in refused.differences] == [key]
    assert (refused.cells, refused.exit_code) == ((), ExitCode.ENVIRONMENTS_DIFFER)
    allowed = compare(base, candidate, Settings(allow_different_environments=True))
    assert allowed.differences == refused.differences
    assert allowed.exit_code == ExitCode.REGRESSION


def test_another_protocol_refuses_the_comparison() -> None:
    sides = [Evidence.of(rows_of(), manifest=manifest(**{"protocol.max_samples": count})) for count in (10, 1000)]
    (difference,) = compare(*sides, Settings()).differences
    assert str(difference) == "protocol.max_samples: 10 in the base, 1000 in the candidate"


@pytest.mark.parametrize(
    ("found", "what"),
    [({"device_name": "another"}, "device of the rows"), ({"throttle_reasons": "application_clocks"}, "clock policy")],
)
def test_rows_tell_of_another_device_or_clock_policy_without_a_manifest(found: dict[str, str], what: str) -> None:
    comparison = compare(Evidence.of(rows_of()), Evidence.of(rows_of(**found)), Settings())
    assert [difference.what for difference in comparison.differences] == [what]


def test_a_warning_says_what_weakens_a_comparison() -> None:
    base = Evidence.of(rows_of(sm_clock_mhz=1980.0))
    candidate = Evidence.of(
        rows_of(sm_clock_mhz=1755.0), manifest={**manifest({"git_dirty": True}), "finished_at": None}
    )
    text = " ".join(compare(base, candidate, Settings()).warnings)
    for words in ("base has no manifest", "has not finished", "uncommitted changes", "1980 MHz"):
        assert words in text


def test_sides_that_were_not_measured_in_turn_get_a_warning() -> None:
    times = ("2026-01-02T03:04:05+00:00", "2026-01-02T04:04:05+00:00", "2026-01-02T05:04:05+00:00")
    first, second, third = (rows_of(started_at=time) for time in times)
    assert any("one after the other" in text for text in compared(first, second).warnings)
    assert any("one after the other" in text for text in compared(second, first).warnings)
    assert compared([*first[:2], *third[2:]], second).warnings == ()


def test_the_last_rule_that_applies_to_a_cell_and_metric_holds() -> None:
    settings = Settings(
        rules=parse_rules("3%", ["DiG-*:latency=5%", "model=DiG-* and resolution_px<=512: latency=9%", "memory=64MiB"])
    )
    key = CELL.without("process")
    assert settings.threshold(key, "latency").relative == 0.05
    assert settings.threshold(replace(key, resolution_px=256), "latency").relative == 0.09
    assert settings.threshold(replace(key, model="DiT-S/2"), "latency").relative == 0.03
    assert settings.threshold(key, "memory").absolute == 64
    assert settings.threshold(key, "energy").relative == 0.05


def test_a_rule_decides() -> None:
    slower = rows_of(latency_ms_median=10.4)
    assert compared(rows_of(), slower).exit_code == ExitCode.REGRESSION
    assert compared(rows_of(), slower, rules=(parse_rule("*@fla:latency=5%"),)).exit_code == ExitCode.FINE
    assert compared(rows_of(), slower, rules=(parse_rule("*@math:latency=5%"),)).exit_code == ExitCode.REGRESSION


def test_a_rule_that_applies_to_no_cell_gets_a_warning() -> None:
    rules = parse_rules("3%", ["DIG-*:latency=5%", "DiG-*:latency=4%"])
    assert compared(rows_of(), rows_of(), rules=rules).warnings == (
        "The threshold DIG-*:latency=5% applies to no cell.",
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("latency", "METRIC=VALUE"),
        ("speed=2%", "choices are latency"),
        ("latency=2", "2%, 5ms"),
        ("latency=-2%", "2%, 5ms"),
        ("latency=2%,3%", "2%, 5ms"),
        ("latency=1e9%", "2%, 5ms"),
        ("memory=5ms", "2%, 5MiB"),
        ("modell=DiG:latency=2%", "did you mean model?"),
        ("latency=nan%", "2%, 5ms"),
    ],
)
def test_an_invalid_rule_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("?", r"\?")):
        parse_rule(text)


def test_metrics_are_chosen_by_name() -> None:
    assert verdicts(compared(rows_of(), rows_of(), metrics=parse_metrics("memory, latency"))) == {
        "memory": "same",
        "latency": "same",
    }
    with pytest.raises(ValueError, match="choices are latency"):
        parse_metrics("latency,speed")


def test_holm_rejects_step_by_step_and_stops_at_the_first_that_stands() -> None:
    assert holm([0.0124, 0.5, 0.01, 0.03], 0.05) == [True, False, True, False]
    # The smallest has to fall at half the rate before the other is looked at.
    assert holm([0.04, 0.03], 0.05) == [False, False]
    assert holm([], 0.05) == []


def test_a_cell_that_is_slower_on_its_own_but_not_among_many_is_undecided() -> None:
    cells = [replace(CELL, resolution_px=px) for px in range(16, 16 * 60, 16)]
    noisy = (0.985, 1.0, 1.015)
    base = [row for cell in cells for row in rows_of(cell, noisy)]
    slow = rows_of(cells[0], noisy, latency_ms_median=10.6)
    found = compared(base, [*slow, *(row for row in base if row.resolution_px > 16)], metrics=("latency",))
    finding = found.cells[0].findings[0]
    assert finding.suspected
    assert finding.verdict == "undecided"
    assert "within chance among 59 values" in finding.note
    assert found.suspects == (found.cells[0].key,)


def test_an_undecided_value_says_how_many_more_processes_would_decide_it() -> None:
    (finding,) = only(
        compared(
            rows_of(spread=(0.99, 0.995, 1.0, 1.005, 1.01)),
            rows_of(spread=(0.99, 0.995, 1.0, 1.005, 1.01), latency_ms_median=10.12),
            metrics=("latency",),
        )
    ).findings
    assert finding.verdict == "undecided"
    assert finding.more_processes is not None
    assert finding.note == f"about {finding.more_processes} more processes a side would decide it"


def test_sides_that_differ_as_much_as_processes_of_other_cells_are_undecided() -> None:
    """Two modes, 10 % apart: in the first cell they happen to separate the sides, in the others they show."""
    cells = [replace(CELL, resolution_px=px) for px in range(16, 16 * 13, 16)]
    split = (1.0, 1.1, 1.001)
    others = [row for cell in cells[1:] for row in rows_of(cell, split)]
    sides = [[*rows_of(cells[0], latency_ms_median=value), *others] for value in (10.0, 11.0)]
    finding = compared(*sides, metrics=("latency",)).cells[0].findings[0]
    assert finding.suspected
    assert finding.verdict == "undecided"
    assert finding.note.startswith(
        "slower on its own, but processes of the same code differ as much in other cells; about"
    )
    assert only(compared(*(side[:3] for side in sides), metrics=("latency",))).verdict == "slower"


def test_fresh_processes_confirm_or_clear_a_suspicion() -> None:
    rows, slow = [*rows_of(), *rows_of(OTHER)], [*rows_of(latency_ms_median=11.0), *rows_of(OTHER)]
    first = compared(rows, slow)
    assert first.suspects == (CELL.without("process"),)
    confirmed = first.confirmed_by(compared(rows_of(), rows_of(latency_ms_median=10.9)))
    assert confirmed.exit_code == ExitCode.REGRESSION
    assert confirmed.cells[0].findings[0].candidate[1] == 10.9
    cleared = first.confirmed_by(compared(rows_of(), rows_of()))
    assert cleared.exit_code == ExitCode.FINE
    assert "did not confirm" in cleared.cells[0].notes[0]


def test_a_failure_that_does_not_occur_again_is_undecided() -> None:
    first = compared(rows_of(), [*rows_of()[:2], *failed(status="crashed", processes=[3])])
    again = first.confirmed_by(compared(rows_of(), rows_of()))
    assert only(again).state == "unstable"
    assert again.exit_code == ExitCode.UNDECIDED


def test_a_calibration_decides_what_three_processes_alone_cannot() -> None:
    noisy = (0.99, 1.0, 1.01)
    sides = rows_of(spread=noisy), rows_of(spread=noisy, latency_ms_median=10.45)
    calibration = Calibration(
        machine=ENVIRONMENT, noise={(CELL.without("process"), "latency"): Noise(sd=0.005, degrees=19)}
    )
    alone = compared(*sides, metrics=("latency",))
    informed = compared(*sides, metrics=("latency",), calibration=calibration)
    assert (alone.exit_code, informed.exit_code) == (ExitCode.UNDECIDED, ExitCode.REGRESSION)
    foreign = replace(calibration, machine={**ENVIRONMENT, "gpu_name": "another"})
    ignored = compared(*sides, metrics=("latency",), calibration=foreign)
    assert ignored.exit_code == ExitCode.UNDECIDED
    assert "it is for another machine (gpu_name is another there" in ignored.warnings[-1]


def test_a_calibration_comes_back_as_it_was_written(tmp_path: Any) -> None:
    calibration = Calibration(
        machine=ENVIRONMENT, noise={(CELL.without("process"), "latency"): Noise(sd=0.003, degrees=19)}
    )
    calibration.write(tmp_path / "noise.json")
    assert Calibration.read(tmp_path / "noise.json") == calibration


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"machine": {}, "noise": [{"sd": NaN}]}', '{"machine": 3, "noise": []}']
)
def test_a_broken_calibration_is_refused(text: str, tmp_path: Any) -> None:
    (tmp_path / "noise.json").write_text(text)
    with pytest.raises(ValueError, match="not a calibration"):
        Calibration.read(tmp_path / "noise.json")
    with pytest.raises(ValueError, match="No such file"):
        Calibration.read(tmp_path / "none.json")


def test_cells_share_their_noise_as_far_as_they_agree() -> None:
    side = [10.0, 10.1, 10.2]
    alike = shared_noise([(side, side)] * 12)
    assert alike is not None
    assert alike.degrees == MAX_DEGREES
    # Smyth's prior is what the variances have in common, corrected for the skewness of their logarithms.
    assert alike.sd == pytest.approx(0.00990, rel=0.2)
    wide = [10.0, 12.0, 14.0]
    unlike = shared_noise([(side, side), (wide, wide)] * 6)
    assert unlike is not None
    assert unlike.degrees < 4


def test_few_cells_or_a_coarse_clock_share_nothing() -> None:
    side = [10.0, 10.1, 10.2]
    assert shared_noise([(side, side)] * 5) is None
    assert shared_noise([([10.0] * 3, [10.0] * 3)] * 12) is None
    assert shared_noise([(side[:2], side)] * 12) is None


def test_folders_and_tables_are_read_alike(tmp_path: Any) -> None:
    from report_rows import sweep, write_results

    folder = write_results(tmp_path / "results", sweep(resolutions_px=(256,)))
    there, alone = read_evidence(folder), read_evidence(folder / "rows.csv")
    assert there.rows == alone.rows
    assert there.manifest == alone.manifest
    (folder / "manifest.json").unlink()
    assert read_evidence(folder / "rows.csv").manifest is None


@pytest.mark.parametrize("process", [3, [[1], "2", None], {"a": 1}, None])
def test_a_manifest_that_lists_no_processes_does_not_matter(process: Any) -> None:
    sides = [Evidence.of(rows_of(), manifest=manifest(process=process)) for _ in range(2)]
    assert compare(*sides, Settings()).exit_code == ExitCode.FINE
