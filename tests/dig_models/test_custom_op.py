"""A custom operator goes through PyTorch's dispatcher only if something has to see the call."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula

from dig_models.kernels.custom_op import custom_op

ran: list[str] = []


@custom_op("dig_models_tests::double")
def double(x: Tensor) -> Tensor:
    ran.append("double")
    return 2 * x


@double.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


double.register_autograd(lambda ctx, gradient: 2 * gradient)
register_flop_formula(torch.ops.dig_models_tests.double)(lambda *_, **__: 42)


@pytest.fixture
def dispatched(monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Returns a function that tells whether the registered operator has been called."""
    calls: list[object] = []
    registered = double._registered
    monkeypatch.setattr(double, "_registered", lambda *args: calls.append(args) or registered(*args))
    return lambda: bool(calls)


@pytest.mark.parametrize("x", [torch.ones(2), torch.ones(2, requires_grad=True)])
def test_an_unwatched_call_skips_the_dispatcher(x: Tensor, dispatched: Callable[[], bool]) -> None:
    with torch.no_grad():
        assert torch.equal(double(x), torch.full((2,), 2.0))
    assert not dispatched()


def test_autograd_sees_the_call(dispatched: Callable[[], bool]) -> None:
    x = torch.ones(2, requires_grad=True)
    double(x).sum().backward()
    assert torch.equal(x.grad, torch.full((2,), 2.0))
    assert dispatched()


def test_a_flop_counter_sees_the_call() -> None:
    with FlopCounterMode(display=False) as counter:
        double(torch.ones(2))
    assert counter.get_total_flops() == 42


def test_a_profiler_sees_the_call() -> None:
    with torch.profiler.profile() as profile:
        double(torch.ones(2))
    assert "dig_models_tests::double" in {event.name for event in profile.events()}


def test_fake_tensors_run_the_fake_implementation() -> None:
    ran.clear()
    with FakeTensorMode() as mode:
        x = torch.ones(2)
    assert double(x).shape == (2,)
    assert mode is not None
    assert ran == []


def test_torch_compile_keeps_it_as_one_operator_without_a_graph_break() -> None:
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(lambda x: double(x) + 1, fullgraph=True, backend=backend)
    assert torch.equal(compiled(torch.ones(2)), torch.full((2,), 3.0))
    assert "dig_models_tests.double" in graphs[0].code
