"""Custom PyTorch operators that skip the dispatcher if nothing has to see the call.

Autograd, torch.compile, FLOP counters, profilers and tensor subclasses need a registered operator. Its way through the
dispatcher takes longer on the host than the kernel launch behind it, and an eager forward pass of a small network is
bound by its launches. So if none of them is active, the function behind the operator is called directly.
"""

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.overrides import _len_torch_function_stack
from torch.utils._python_dispatch import _len_torch_dispatch_stack

P = ParamSpec("P")
R = TypeVar("R")


class CustomOp(Generic[P, R]):
    """Registered operator with a direct call, made by `custom_op`.

    register_fake and register_autograd are those of the registered operator.
    """

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


def custom_op(name: str) -> Callable[[Callable[P, R]], CustomOp[P, R]]:
    """Registers a function, which must not mutate its arguments, as an operator of this name."""

    def register(function: Callable[P, R]) -> CustomOp[P, R]:
        return CustomOp(name, function)

    return register


def _is_watched(args: tuple[Any, ...]) -> bool:
    """Returns whether autograd, a mode, a profiler or a tensor subclass has to see the call."""
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
    """Returns whether autograd records operations on these tensors."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
