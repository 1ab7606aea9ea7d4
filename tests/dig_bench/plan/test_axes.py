"""Axes: model patterns and the cells that axes span."""

import pytest

from dig_bench.plan.axes import Axes, select_models


@pytest.mark.parametrize(
    ("pattern", "device", "pairs"),
    [
        ("DiG-S/2", "cpu", [("DiG-S/2", "chunked")]),
        ("DiG-S/2", "cuda", [("DiG-S/2", "fla")]),
        ("DiT-S/2@flash2", "cpu", [("DiT-S/2", "flash2")]),
        ("DiG-?/2", "cpu", [(f"DiG-{size}/2", "chunked") for size in ("S", "B", "L")]),
        ("Di[GT]-S/2@reference", "cpu", [("DiG-S/2", "reference")]),
        ("DiT-S/2@flash*", "cpu", [("DiT-S/2", "flash2"), ("DiT-S/2", "flash3")]),
    ],
)
def test_models(pattern: str, device: str, pairs: list[tuple[str, str]]) -> None:
    assert select_models([pattern], device) == pairs


def test_every_backend_of_every_model() -> None:
    pairs = select_models(["*@*"], "cpu")
    assert {("DiG-XL/2", "reference"), ("DiT-S/8", "cudnn"), ("DiS-H/4", "mamba-ssm")} <= set(pairs)
    assert len(pairs) == len(set(pairs))


def test_a_model_that_two_patterns_match_is_taken_once() -> None:
    assert select_models(["DiG-S/2", "DiG-S/2@chunked", "DiG-S/*"], "cpu").count(("DiG-S/2", "chunked")) == 1


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("DiG-S2", r"no model 'DiG-S2': did you mean DiG-S/2\?"),
        ("GPT-*", r"no model 'GPT-\*': choices are DiG-S/2, .*, \.\.\. \(66 in all\): `dig-bench list` shows all"),
        ("DiG-S/2@flash2", "DiG-S/2 has no backend 'flash2'"),
        ("DiG-S/2@chunkd", r"did you mean chunked\?"),
        ("DiG-S/2@", "has no backend ''"),
        ("DiG-*@math", "has no backend 'math'"),
    ],
)
def test_models_and_backends_that_do_not_exist_are_refused(pattern: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        select_models([pattern], "cpu")


def test_cells_are_the_product_of_all_axes() -> None:
    axes = Axes(
        models=("DiG-S/2", "DiT-S/2"),
        resolutions_px=(256, 512),
        batch_sizes=(1, 8),
        modes=("forward", "train"),
        precisions=("fp32", "bf16"),
        executions=("eager", "compile"),
    )
    assert len(set(axes.cells("cpu", processes=3))) == 2**6 * 3


def test_a_size_that_makes_no_whole_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="DiG-S/2 takes images of a multiple of 16 px, not 250"):
        list(Axes(models=("DiG-S/2",), resolutions_px=(250,)).cells("cpu"))
