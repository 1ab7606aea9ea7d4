"""A graphed backbone on a GPU equals its backbone, for all shapes, in any order of calls."""

import pytest
import torch
from torch import Tensor

from dig_models import Backbone, build, graphed, unavailable

pytestmark = pytest.mark.gpu


@pytest.fixture(params=[("DiG-S/2", "fused"), ("DiT-S/2", "fused"), ("DiT-S/2", "math")], ids="@".join)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    name, backend = request.param
    if reason := unavailable(name, backend, "cuda", precision="bf16"):
        pytest.skip(reason)
    torch.manual_seed(0)
    backbone = build(name, image_size=128, backend=backend, precision="bf16", device="cuda")
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    return backbone


def inputs(batch_size: int, side: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator("cuda").manual_seed(seed)
    latent = torch.randn(batch_size, 4, side, side, generator=generator, device="cuda").bfloat16()
    timestep, label = (torch.randint(0, 1000, (batch_size,), generator=generator, device="cuda") for _ in range(2))
    return latent, timestep, label


def test_it_equals_its_backbone(backbone: Backbone) -> None:
    fast = graphed(backbone)
    for batch_size, side, seed in ((1, 16, 0), (3, 16, 1), (1, 16, 2), (2, 24, 3), (1, 16, 4)):
        given = inputs(batch_size, side, seed)
        with torch.no_grad():
            expected = backbone(*given)
        torch.testing.assert_close(fast(*given), expected, rtol=1e-2, atol=1e-2)


def test_results_are_copies_and_changed_parameters_take_effect(backbone: Backbone) -> None:
    fast = graphed(backbone)
    first = fast(*inputs(1, 16, 0))
    kept = first.clone()
    fast(*inputs(1, 16, 1))
    assert torch.equal(first, kept)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.mul_(1.5)
    assert not torch.equal(fast(*inputs(1, 16, 0)), kept)


def test_a_backbone_in_training_is_refused(backbone: Backbone) -> None:
    with pytest.raises(ValueError, match="eval"):
        graphed(backbone.train())
