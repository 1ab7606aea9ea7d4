"""Catalog: published sizes, and one-line errors for unknown names."""

import pytest
import torch

from dig_models import CATALOG, build, config_for, default_backend, unavailable


def parameters_in_millions(name: str) -> float:
    with torch.device("meta"):
        architecture, config = CATALOG[name]
        model = architecture(config, backend=architecture.reference_backend)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    # The paper of DiT counts its fixed position table, that of DiG does not.
    return (parameters + (model.pos_embed.numel() if name.startswith("DiT") else 0)) / 1e6


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("DiG-S/2", 33.0),
        ("DiG-B/2", 130.6),
        ("DiG-L/2", 464.8),
        ("DiG-XL/2", 675.7),
        ("DiT-S/2", 33.0),
        ("DiT-B/2", 130.5),
        ("DiT-L/2", 458.1),
        ("DiT-XL/2", 675.1),
    ],
)
def test_parameter_counts_are_the_published_ones(name: str, millions: float) -> None:
    assert parameters_in_millions(name) == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize("size", ["S", "B", "L", "XL"])
def test_u_dig_is_within_five_per_cent_of_the_plain_dig_of_its_name(size: str) -> None:
    plain, u_shaped = f"DiG-{size}/2", f"U-DiG-{size}/2"
    assert parameters_in_millions(u_shaped) == pytest.approx(parameters_in_millions(plain), rel=0.05)
    gmacs = [
        build(name, image_size=256, backend="reference", device="meta").flops(1).gmacs for name in (u_shaped, plain)
    ]
    assert gmacs[0] == pytest.approx(gmacs[1], rel=0.05)


def test_every_family_has_its_sizes_at_patches_2_4_and_8() -> None:
    for patch in (2, 4, 8):
        for family, sizes in {"DiG": "S B L XL", "DiT": "S B L XL", "DiS": "S B M L H XL", "U-DiG": "S B L XL"}.items():
            for size in sizes.split():
                assert f"{family}-{size}/{patch}" in CATALOG
        assert f"DiG-S/{patch}-skip" in CATALOG


@pytest.mark.parametrize("name", ["DiG-S/8", "DiT-S/4", "DiS-S/8", "U-DiG-S/4"])
def test_other_patch_sizes_run(name: str) -> None:
    model = build(name, image_size=128, backend=default_backend(name, "cpu"))
    assert model(torch.randn(1, 4, 16, 16), torch.zeros(1).long(), torch.zeros(1).long()).shape == (1, 8, 16, 16)


def test_half_precision_casts_the_parameters() -> None:
    model = build("DiG-S/8", image_size=64, backend="chunked", precision="bf16")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert not model.training


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"did you mean DiG-S/2\?"):
        build("DiG-S2", image_size=256, backend="chunked")
    with pytest.raises(ValueError, match=r"did you mean chunked\?"):
        build("DiG-S/2", image_size=256, backend="chunkd")
    with pytest.raises(ValueError, match=r"did you mean bf16\?"):
        build("DiG-S/2", image_size=256, backend="chunked", precision="bf-16")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no backend 'flash2'"):
        unavailable("DiG-S/2", "flash2", "cuda")


@pytest.mark.parametrize("size", [0, -256, 250, 8])
def test_image_sizes_that_are_not_whole_tokens_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="multiple of 16 px"):
        config_for("DiT-S/2", size)


def test_an_unavailable_backend_has_a_reason() -> None:
    assert unavailable("DiT-S/2", "sdpa", "cpu") is None
    assert unavailable("DiT-S/2", "sdpa", "cuda") == "sdpa: runs on cpu only"
    assert unavailable("DiT-S/2", "flash2", "cuda", precision="fp32") == "flash2: takes bf16 and fp16 only"
    assert unavailable("DiG-S/2", "fla", "cpu") == "fla: runs on cuda only"
