"""Ranges and lists, and one clear line for what they cannot mean."""

import pytest

from dig_bench.cell import MODES, PRECISIONS
from dig_bench.plan.parse import parse_axes, parse_choice, parse_choices, parse_counts, parse_resolutions


@pytest.mark.parametrize(
    ("text", "resolutions_px"),
    [
        ("256", (256,)),
        ("256,1024", (256, 1024)),
        ("1024, 256,256", (256, 1024)),
        ("256..2048", (256, 512, 768, 1024, 1280, 1536, 1792, 2048)),
        ("256..2048:512", (256, 768, 1280, 1792)),
        ("256..2048:x2", (256, 512, 1024, 2048)),
        ("256..1100:x3,128", (128, 256, 768)),
        ("256..256", (256,)),
    ],
)
def test_resolutions(text: str, resolutions_px: tuple[int, ...]) -> None:
    assert parse_resolutions(text) == resolutions_px


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("2048..256", "not above the last"),
        ("0..256", "must be positive"),
        ("0", "must be positive"),
        ("-256", "takes 256"),
        ("256..512:0", "never ends"),
        ("256..512:x1", "never ends"),
        ("256..99999", "takes at most 32768 px"),
        ("9" * 5000, "takes 256"),
        ("256,,512", "empty part"),
        ("", "empty part"),
        ("256px", "takes 256"),
        ("٢٥٦", "takes 256"),
        ("256..512..1024", "takes 256"),
    ],
)
def test_resolutions_that_mean_nothing_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_resolutions(text)


def test_counts_and_choices_are_lists() -> None:
    assert parse_counts("8, 1,8", "--batch") == (8, 1)
    assert parse_choices("train,forward", MODES, "--mode") == ("train", "forward")


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "1,", "²"])
def test_counts_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--batch"):
        parse_counts(text, "--batch")


def test_an_unknown_choice_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match="--mode has no 'trian': did you mean train"):
        parse_choices("trian", MODES, "--mode")


def test_one_choice_is_one() -> None:
    assert parse_choice("bf16", PRECISIONS, "--precision") == "bf16"
    with pytest.raises(ValueError, match="--precision takes one of fp32, tf32, bf16, fp16 here, not 'fp32,bf16'"):
        parse_choice("fp32,bf16", PRECISIONS, "--precision")


def test_only_options_that_are_given_become_axes() -> None:
    assert parse_axes() == {}
    assert parse_axes(models=["DiG-S/2, DiT-S/2@*", "*@fla"], res="256", batch="2", mode="train") == {
        "models": ("DiG-S/2", "DiT-S/2@*", "*@fla"),
        "resolutions_px": (256,),
        "batch_sizes": (2,),
        "modes": ("train",),
    }
