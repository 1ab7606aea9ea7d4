"""Whole networks on a GPU: every backend equals the reference, and can be captured as a CUDA graph."""

import pytest
import torch

from dig_models import CATALOG, build, unavailable
from helpers import moved

pytestmark = pytest.mark.gpu

BACKENDS = [
    (name, backend)
    for name in ("DiG-S/2", "DiG-S/2-skip", "U-DiG-S/2", "DiT-S/2", "DiS-S/2")
    for backend in CATALOG[name].architecture.backends
    if backend not in ("reference", "sdpa")
]


@pytest.mark.parametrize(("name", "backend"), BACKENDS)
def test_bf16_output_is_near_the_fp32_reference_and_a_graph_replays_it(name: str, backend: str) -> None:
    if reason := unavailable(name, backend, "cuda", precision="bf16"):
        pytest.skip(reason)
    torch.manual_seed(0)
    oracle = CATALOG[name].architecture.reference_backend
    reference = build(name, image_size=160, backend=oracle, device="cpu").requires_grad_(False)
    moved(reference, std=0.02).cuda()
    model = build(name, image_size=160, backend=backend, precision="bf16", device="cuda").requires_grad_(False)
    model.load_state_dict(reference.state_dict())
    latent, timestep = torch.randn(2, 4, 20, 20, device="cuda"), torch.tensor([10, 700], device="cuda")
    label = torch.tensor([1, 2], device="cuda")
    expected = reference(latent, timestep, label)
    output = model(latent.bfloat16(), timestep, label)
    assert (output.float() - expected).norm() < 5e-2 * expected.norm()

    graph, static = torch.cuda.CUDAGraph(), latent.bfloat16()
    with torch.cuda.graph(graph):
        replayed = model(static, timestep, label)
    graph.replay()
    torch.testing.assert_close(replayed, output, rtol=2e-2, atol=2e-2)
