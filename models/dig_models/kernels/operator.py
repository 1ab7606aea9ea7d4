"""Operators that PyTorch knows, called without PyTorch where nobody has to see them.

A registered operator is what autograd, torch.compile, FLOP counters, profilers and tensor subclasses understand. Its
way through the dispatcher takes the host longer than the launch of the kernel behind it, and an eager forward pass of a
small network is nothing but launches. So where none of them is there, the function behind the operator is called
itself.
"""

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.overrides import _len_torch_function_stack
from torch.utils._python_dispatch import _len_torch_dispatch_stack

P = ParamSpec("P")
R = TypeVar("R")


class Operator(Generic[P, R]):
    """Made by `operator`. Its methods are those of the registered operator: register_fake, register_autograd."""

    def __init__(self, name: str, function: Callable[P, R]) -> None:
        self._function = function
        self._registered = torch.library.custom_op(name, function, mutates_args=())
        self.register_fake = self._registered.register_fake
        self.register_autograd = self._registered.register_autograd

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if torch.compiler.is_compiling() or _is_watched(args):
            result: R = self._registered(*args, **kwargs)
            return result
        return self._function(*args, **kwargs)


def operator(name: str) -> Callable[[Callable[P, R]], Operator[P, R]]:
    """Registers a function, which changes none of its arguments, as an operator of this name."""

    def register(function: Callable[P, R]) -> Operator[P, R]:
        return Operator(name, function)

    return register


def _is_watched(args: tuple[Any, ...]) -> bool:
    """Whether autograd, a mode, a profiler or a subclass of Tensor has to see the call."""
    if _len_torch_dispatch_stack() or _len_torch_function_stack() or torch.autograd._profiler_enabled():
        return True
    is_recorded = torch.is_grad_enabled()
    for argument in args:
        kind = type(argument)
        if kind is Tensor or kind is torch.nn.Parameter:
            if is_recorded and argument.requires_grad:
                return True
        elif isinstance(argument, Tensor):
            return True
    return False


def wants_gradient(*tensors: Tensor) -> bool:
    """Whether autograd records what is made of these."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
