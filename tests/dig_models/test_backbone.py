"""The interface of all backbones, tested for every family."""

import pytest
import torch
from torch import Tensor

from dig_models import Backbone, DiG, DiGConfig, DiS, DiSConfig, DiT, DiTConfig, UDiG, UDiGConfig
from helpers import moved

SIZES = {"latent_size": 8, "patch_size": 2, "width": 64, "depth": 4, "num_classes": 10}
FAMILIES = {
    "DiG": lambda **changes: DiG(DiGConfig(**(SIZES | changes), num_heads=1), backend="chunked"),
    "DiG-skip": lambda **changes: DiG(DiGConfig(**(SIZES | changes), num_heads=1, skip=True), backend="chunked"),
    "DiT": lambda **changes: DiT(DiTConfig(**(SIZES | changes), num_heads=2), backend="math"),
    "DiS": lambda **changes: DiS(DiSConfig(**(SIZES | changes)), backend="chunked"),
    "U-DiG": lambda **changes: UDiG(
        UDiGConfig(**(SIZES | {"depth": 5, "patch_size": 1} | changes), inner_widths=(64, 128)), backend="chunked"
    ),
}
every_family = pytest.mark.parametrize("family", FAMILIES)


def make(family: str, **changes: object) -> Backbone:
    torch.manual_seed(0)
    return moved(FAMILIES[family](**changes))


def inputs(batch: int = 2, size: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 4, size, size, generator=generator), torch.arange(batch) * 99, torch.arange(batch) % 10


@every_family
def test_the_output_holds_noise_and_variance(family: str) -> None:
    assert make(family)(*inputs(3)).shape == (3, 8, 8, 8)
    assert make(family, learn_sigma=False)(*inputs(3)).shape == (3, 4, 8, 8)


@every_family
def test_images_of_a_batch_are_independent(family: str) -> None:
    model, (latent, timestep, label) = make(family), inputs(3)
    alone = model(latent[1:2], timestep[1:2], label[1:2])
    torch.testing.assert_close(model(latent, timestep, label)[1:2], alone, rtol=1e-4, atol=1e-5)


@every_family
def test_the_output_depends_on_time_and_label(family: str) -> None:
    model, (latent, timestep, label) = make(family), inputs()
    output = model(latent, timestep, label)
    assert not torch.allclose(model(latent, timestep + 400, label), output, atol=1e-3)
    assert not torch.allclose(model(latent, timestep, (label + 1) % 10), output, atol=1e-3)


@every_family
def test_every_token_reaches_every_other(family: str) -> None:
    model, (latent, timestep, label) = make(family), inputs(1)
    latent.requires_grad_()
    for corner in ((0, 0), (7, 7)):
        (gradient,) = torch.autograd.grad(model(latent, timestep, label)[0, 0][corner], latent)
        assert (gradient.abs().sum(dim=1) > 0).all()


@every_family
def test_position_embeddings_follow_the_grid(family: str) -> None:
    assert make(family)(*inputs(size=12)).shape == (2, 8, 12, 12)


@every_family
def test_a_latent_that_is_not_a_whole_number_of_patches_is_refused(family: str) -> None:
    with pytest.raises(ValueError, match="not a multiple of patch"):
        make(family, patch_size=2)(*inputs(size=9))
    with pytest.raises(ValueError, match="not a multiple of patch_size"):
        make(family, patch_size=2, latent_size=9)


@every_family
def test_labels_are_dropped_in_training_only(family: str) -> None:
    model, (latent, timestep, label) = make(family, label_dropout=1.0), inputs()
    null = torch.full_like(label, 10)
    assert torch.equal(model(latent, timestep, label), model(latent, timestep, label))
    with_null = model(latent, timestep, null)
    assert not torch.allclose(model(latent, timestep, label), with_null, atol=1e-3)
    torch.testing.assert_close(model.train()(latent, timestep, label), with_null, rtol=1e-3, atol=1e-4)


@every_family
def test_guidance_mixes_the_first_three_channels_only(family: str) -> None:
    model, (latent, timestep, label) = make(family), inputs()
    both = [torch.cat([x, x]) for x in (latent, timestep)]
    labels = torch.cat([label, torch.full_like(label, 10)])
    conditional, unconditional = model(*both, labels).chunk(2)
    guided = model.forward_with_cfg(*both, labels, 4.0)
    expected = unconditional + 4.0 * (conditional - unconditional)
    torch.testing.assert_close(guided[:2, :3], expected[:, :3])
    torch.testing.assert_close(guided[2:, :3], expected[:, :3])
    torch.testing.assert_close(guided[:, 3:], torch.cat([conditional, unconditional])[:, 3:])


@every_family
def test_unknown_backends_are_refused_with_the_choices(family: str) -> None:
    architecture, config = type(make(family)), make(family).config
    with pytest.raises(ValueError, match=r"did you mean reference|choices are math"):
        architecture(config, backend="referense")


@every_family
def test_kernels_names_package_and_version(family: str) -> None:
    assert f"=torch {torch.__version__}" in make(family).kernels()


@every_family
def test_gradients_reach_every_parameter(family: str) -> None:
    model = make(family)
    model(*inputs()).square().mean().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize(
    ("architecture", "device", "precision", "backend"),
    [
        (DiT, "cuda", "bf16", "flash2"),
        (DiT, "cuda", "tf32", "math"),
        (DiT, "cpu", "fp32", "sdpa"),
        (DiG, "cuda", "tf32", "fla"),
        (DiS, "cuda", "fp32", "mamba-ssm"),
    ],
)
def test_the_suited_backend_is_the_default_or_the_first_that_supports_the_precision(
    architecture: type[Backbone], device: str, precision: str, backend: str
) -> None:
    assert architecture.suited_backend(device=device, precision=precision) == backend
