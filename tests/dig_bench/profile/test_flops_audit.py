"""FLOPs beside PyTorch's counter and the papers': equal where both see, and explained where they differ."""

import json
import sys
from pathlib import Path

import pytest

from dig_bench import paper
from dig_bench.cli import main
from dig_bench.profile.components import COMPONENTS, CORE
from dig_bench.profile.flops_audit import TOLERANCE, audit
from dig_models import CATALOG


@pytest.mark.parametrize("model", ["DiG-S/8", "DiG-S/8-skip", "DiT-S/8", "DiS-S/8", "U-DiG-S/8"])
def test_the_counter_sees_every_component_as_it_is_or_says_why_not(model: str) -> None:
    found = audit(model, resolution_px=64, batch_size=2)
    uncounted = CATALOG[model].architecture.uncounted
    assert found.counted is not None
    assert dict(found.counted) == {name: flops for name, flops in found.exact.items() if name not in uncounted}
    assert set(found.exact) <= set(COMPONENTS)
    assert [sentence.split(":")[0] for sentence in found.explanations()] == sorted(uncounted)


@pytest.mark.parametrize("model", ["DiT-S/2", "DiT-XL/2"])
def test_the_published_complexity_of_dit_needs_no_explanation(model: str) -> None:
    found = audit(model, resolution_px=256)
    assert abs(found.of_published or 1.0) < TOLERANCE
    assert not list(found.explanations())


def test_the_published_complexity_of_dig_leaves_out_two_parts() -> None:
    found = audit("DiG-S/2", resolution_px=256)
    assert found.of_published == pytest.approx(0.30, abs=0.01)
    *_, sentence = found.explanations()
    assert "without the recurrence (0.09437) and the SwiGLU's down-projection (1.208) are 4.283, -0.40 %" in sentence


def test_every_published_figure_is_of_a_model_here() -> None:
    assert set(paper.complexity()["model"]) <= set(CATALOG)


def test_a_network_whose_reference_would_take_minutes_is_not_run_and_says_so() -> None:
    found = audit("DiG-S/2", resolution_px=2048)
    assert found.counted is None
    assert "16384 tokens" in found.not_counted
    assert found.exact[CORE] > 0
    assert found.published_gmacs is None


def test_the_command_prints_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "flops.json"
    monkeypatch.setattr(sys, "argv", ["dig-bench", "flops", "DiT-S/8", "--res", "64,128", "--output", str(out)])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    assert "DiT-S/8 at 128 px" in capsys.readouterr().out
    assert [each["resolution_px"] for each in json.loads(out.read_text())] == [64, 128]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["DiG-S/3"], "no model"),
        (["DiG-S/2", "--res", "250"], "multiple of 16"),
        (["DiG-S/2", "--batch", "0"], "batch"),
        (["DiG-S/2", "--output", "flops.txt"], ".json"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dig-bench", "flops", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
