"""Exact FLOPs against PyTorch's counter and the papers: equal where both count, and explained where they differ."""

import json
from pathlib import Path

import pytest

from dig_bench import paper
from dig_bench.profile import flops_audit
from dig_bench.profile.components import COMPONENTS, CORE
from dig_bench.profile.flops_audit import TOLERANCE, audit
from dig_bench.profile.output.flops import explanations
from dig_models import CATALOG
from harness import Run


@pytest.mark.parametrize("model", ["DiG-S/8", "DiG-S/8-skip", "DiT-S/8", "DiS-S/8", "U-DiG-S/8"])
def test_the_counter_sees_every_component_as_it_is_or_says_why_not(model: str) -> None:
    found = audit(model, resolution_px=64, batch_size=2)
    uncounted = CATALOG[model].architecture.uncounted
    assert found.counted is not None
    assert dict(found.counted) == {name: flops for name, flops in found.exact.items() if name not in uncounted}
    assert set(found.exact) <= set(COMPONENTS)
    assert [sentence.split(":")[0] for sentence in explanations(found)] == sorted(uncounted)


@pytest.mark.parametrize("model", ["DiT-S/2", "DiT-XL/2"])
def test_the_published_complexity_of_dit_needs_no_explanation(model: str) -> None:
    found = audit(model, resolution_px=256)
    assert abs(found.excess or 1.0) < TOLERANCE
    assert not list(explanations(found))


def test_the_published_complexity_of_dig_leaves_out_two_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    # The counter, which takes seconds, is not asked.
    monkeypatch.setattr(flops_audit, "count", lambda network, batch_size: {})
    found = audit("DiG-S/2", resolution_px=256)
    assert found.excess == pytest.approx(0.30, abs=0.01)
    *_, sentence = explanations(found)
    assert "without the recurrence (0.09437) and the SwiGLU's down-projection (1.208) it is 4.283 (-0.40 %)" in sentence


def test_every_published_complexity_is_of_a_model_here() -> None:
    assert set(paper.complexity()["model"]) <= set(CATALOG)


def test_a_network_whose_reference_would_take_minutes_is_not_run_and_says_so() -> None:
    found = audit("DiG-S/2", resolution_px=2048)
    assert found.counted is None
    assert "16384 tokens" in found.not_counted
    assert found.exact[CORE] > 0
    assert found.published_gmacs is None


def test_the_command_prints_and_writes(dig_bench: Run) -> None:
    ran = dig_bench("flops", "DiT-S/8", "--res", "64,128", "--output", "flops.json")
    assert ran.code == 0
    assert "DiT-S/8 at 128 px" in ran.out
    assert [each["resolution_px"] for each in json.loads(Path("flops.json").read_text())] == [64, 128]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["DiG-S/3"], "no model"),
        (["DiG-S/2", "--res", "250"], "multiple of 16"),
        (["DiG-S/2", "--batch", "0"], "batch"),
        (["DiG-S/2", "--output", "flops.txt"], ".json"),
    ],
)
def test_bad_input_is_one_line(dig_bench: Run, arguments: list[str], words: str) -> None:
    ran = dig_bench("flops", *arguments)
    assert ran.code == 2
    assert words in ran.err
    assert ran.err.count("\n") == 1
