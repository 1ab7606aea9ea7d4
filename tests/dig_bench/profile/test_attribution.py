"""Kernels to components, over a trace as a GPU makes it: written by hand, since there is no GPU here."""

import os
from typing import Any

import pytest
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent

from dig_bench.profile.attribution import Work, attribute, device_ms
from dig_bench.profile.components import CORE, GRADIENTS, MLP, NORM, OPTIMIZER, OUTSIDE, PROJECTIONS, RESIDUAL, SREM
from dig_bench.profile.ranges import PART, SCOPE
from dig_bench.profile.take import run
from dig_bench.run.step import Inputs, training_step
from dig_bench.run.subject import Subject
from dig_models import DiG, DiGConfig


class Trace:
    """Host events nested as they are called, each a microsecond after the one before; kernels after each other."""

    def __init__(self) -> None:
        self.events: list[FunctionEvent] = []
        self._time_us = 0.0
        self._device_us = 0.0

    def host(self, name: str, *inside: Any, thread: int = 1, sequence_nr: int = -1, is_note: bool = False) -> Any:
        """Returns a call, which is made when its parent is."""

        def call(parent: FunctionEvent | None) -> FunctionEvent:
            self._time_us += 1
            event = FunctionEvent(
                id=len(self.events),
                name=name,
                thread=thread,
                start_us=self._time_us,
                end_us=0.0,
                sequence_nr=sequence_nr,
                is_user_annotation=is_note,
            )
            event.set_cpu_parent(parent) if parent else None
            self.events.append(event)
            for each in inside:
                each(event)
            self._time_us += 1
            event.time_range.end = self._time_us
            return event

        return call

    def kernel(self, name: str, us: float, *, is_note: bool = False, is_linked: bool = True) -> Any:
        def launch(parent: FunctionEvent) -> None:
            self.events.append(
                FunctionEvent(
                    id=len(self.events),
                    name=name,
                    thread=7,
                    start_us=self._device_us,
                    end_us=self._device_us + us,
                    device_type=DeviceType.CUDA,
                    is_user_annotation=is_note,
                )
            )
            self._device_us += us
            if is_linked:
                parent.append_kernel(name, 0, us)

        return launch


def step_of_a_mixer() -> Trace:
    """A step of a mixer whose forward operators make nodes 5 (a matmul) and 6 (its core)."""
    trace = Trace()
    host, kernel = trace.host, trace.kernel
    node = "autograd::engine::evaluate_function: "
    host(
        PART + "forward",
        host(
            SCOPE + "blocks.0.attn",
            host(
                SCOPE + "blocks.0.attn.q_proj",
                host(
                    "aten::linear",
                    host("aten::addmm", kernel("gemm", 30.0), kernel("Memset", 1.0)),
                    # Its number is that of some operator, so that it has that one's kernels as well.
                    host("cudaLaunchKernel", lambda call: call.append_kernel("gemm", 0, 30.0)),
                    host("Command Buffer Full", lambda call: call.append_kernel("gemm", 0, 30.0)),
                    sequence_nr=5,
                ),
            ),
            host(
                SCOPE + "blocks.0.attn:gla_mixer", host("dig_models::gla_mixer", kernel("outputs", 20.0), sequence_nr=6)
            ),
        ),
        host(SCOPE + "blocks.0:norm_modulate", kernel("norm_modulate_kernel", 4.0)),
        host("aten::cat", kernel("cat", 2.0)),
    )(None)
    host(
        PART + "backward",
        host(
            node + "GlaMixerBackward",
            host("dig_models::gla_mixer_backward", kernel("gradients", 50.0)),
            thread=2,
            sequence_nr=6,
        ),
        host(node + "AddmmBackward0", host("aten::mm", kernel("gemm", 60.0)), thread=2, sequence_nr=5),
        host(node + "torch::autograd::AccumulateGrad", host("aten::add_", kernel("add", 3.0)), thread=2),
    )(None)
    host(
        PART + "optimizer",
        host("Optimizer.step#AdamW.step", host("aten::_fused_adamw_", kernel("adamw", 9.0)), is_note=True),
        kernel("Optimizer.step#AdamW.step", 400.0, is_note=True),
    )(None)
    return trace


def sums(work: list[Work]) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for each in work:
        key = each.component, each.phase
        found[key] = found.get(key, 0.0) + 1e3 * each.ms
    return found


def test_each_kernel_counts_once_for_the_component_that_asked_for_it() -> None:
    assert sums(attribute(step_of_a_mixer().events, on_cuda=True)) == pytest.approx(
        {
            (PROJECTIONS, "forward"): 31.0,
            (CORE, "forward"): 20.0,
            (NORM, "forward"): 4.0,
            (OUTSIDE, "forward"): 2.0,
            (CORE, "backward"): 50.0,
            (PROJECTIONS, "backward"): 60.0,
            (GRADIENTS, "backward"): 3.0,
            (OPTIMIZER, "optimizer"): 9.0,
        }
    )


def test_notes_among_the_kernels_take_no_time() -> None:
    events = step_of_a_mixer().events
    work = attribute(events, on_cuda=True)
    assert sum(each.ms for each in work) == pytest.approx(device_ms(events))
    assert "Optimizer.step#AdamW.step" not in {each.name for each in work}


def test_what_the_profiler_links_to_nothing_is_in_the_whole_alone() -> None:
    trace = step_of_a_mixer()
    before = device_ms(trace.events)
    trace.kernel("lost", 5.0, is_linked=False)(None)
    assert device_ms(trace.events) == pytest.approx(before + 0.005)
    assert sum(each.ms for each in attribute(trace.events, on_cuda=True)) == pytest.approx(before)


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") != "1", reason="needs Triton's interpreter: TRITON_INTERPRET=1")
def test_fused_kernels_count_for_their_components_forward_and_backward() -> None:
    pytest.importorskip("triton_interpreter", reason="needs Triton")
    sizes = {"latent_size": 4, "patch_size": 2, "width": 64, "depth": 2, "num_heads": 1, "num_classes": 10}
    model = DiG(DiGConfig(**sizes), backend="fused:many")
    step = training_step(model, model, Inputs.random(model, 1))
    step()
    profiler = run(Subject(model=model, step=step), device="cpu", steps=1)
    work = attribute(profiler.events(), on_cuda=False)
    found = {(each.name.removeprefix("dig_models::"), each.component) for each in work if "dig_models::" in each.name}
    assert found >= {
        ("norm_modulate", NORM),
        ("norm_modulate_backward", NORM),
        ("gla_mixer", CORE),
        ("gla_mixer_backward", CORE),
        ("swiglu_linear", MLP),
        ("swiglu_linear_backward", MLP),
        ("residual_conv_backward", SREM),
        ("residual_conv_norm_modulate", SREM),
        ("norm_modulate_backward", SREM),
        ("gate_residual_norm_modulate", RESIDUAL),
        ("gate_residual_norm_modulate_backward", RESIDUAL),
    }
