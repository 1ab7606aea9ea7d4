"""Refusal of backbones that a CUDA graph cannot record. tests/gpu/test_graphed_gpu.py tests the recording."""

import pytest

from dig_models import build, graphed


def test_a_backbone_on_a_cpu_is_refused() -> None:
    with pytest.raises(ValueError, match="need a backbone on a CUDA GPU"):
        graphed(build("DiT-S/8", image_size=64, backend="math"))
