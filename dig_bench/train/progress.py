"""Progress of a training, as the loop reports it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """State after a training step, with everything since the last report."""

    step: int
    """Number of training steps done."""
    losses: tuple[float, ...]
    """L_simple + L_vlb of each training step since the last report."""
    gradient_norm: float
    """Norm of the gradient in the last training step, before clipping."""
    images_per_s: float
    saved: bool
    """True if this step's checkpoint has been written, or is about to be written."""
