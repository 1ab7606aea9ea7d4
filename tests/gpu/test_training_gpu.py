"""A small DiG learns to denoise equally well with the fused kernels and with the reference, from the same seed."""

import pytest
import torch
from torch import Tensor

from dig_models import DiG, DiGConfig, unavailable

pytestmark = pytest.mark.gpu

STEPS, BATCH_SIZE, LATENT = 200, 8, 12
CONFIG = DiGConfig(
    latent_size=LATENT, patch_size=2, width=128, depth=4, num_heads=2, num_classes=4, learn_sigma=False, skip=False
)


def losses(backend: str) -> Tensor:
    """Returns the loss of every AdamW step of noise prediction, in fp32. Images are waves whose direction is
    the label."""
    torch.manual_seed(0)
    model = DiG(CONFIG, backend=backend).cuda().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    generator = torch.Generator("cuda").manual_seed(0)
    alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, device="cuda"), 0)
    position = torch.linspace(0, 6.28, LATENT, device="cuda")
    found = []
    for _ in range(STEPS):
        label = torch.randint(0, 4, (BATCH_SIZE,), generator=generator, device="cuda")
        angle = label[:, None, None] * 0.785
        wave = torch.sin(angle.cos() * position[:, None] + angle.sin() * position[None, :])
        clean = wave[:, None].expand(-1, 4, -1, -1)
        timestep = torch.randint(0, 1000, (BATCH_SIZE,), generator=generator, device="cuda")
        noise = torch.randn(clean.shape, generator=generator, device="cuda")
        signal = alpha_bar[timestep][:, None, None, None]
        noisy = signal.sqrt() * clean + (1 - signal).sqrt() * noise
        # The same seed drops the same labels.
        loss = (model(noisy, timestep, label) - noise).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.detach())
    return torch.stack(found)


@pytest.fixture(scope="module")
def reference() -> Tensor:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return losses("reference")


def test_the_reference_learns(reference: Tensor) -> None:
    assert reference[-50:].mean() < 0.6 * reference[:10].mean()


def test_fused_learns_the_same_in_fp32(reference: Tensor) -> None:
    if reason := unavailable("DiG-S/2", "fused", "cuda", mode="train"):
        pytest.skip(reason)
    fused = losses("fused")
    torch.testing.assert_close(fused[:20], reference[:20], rtol=1e-3, atol=1e-4)
    # Rounding differences grow from step to step.
    assert (fused[-50:].mean() - reference[-50:].mean()).abs() < 0.05 * reference[-50:].mean()
