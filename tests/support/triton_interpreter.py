"""Patches the interpreter of Triton 3.6 on import: two corrections, and shortcuts that make it three times as fast.

Corrections: loop bounds are arrays of one element, which NumPy 2.4 refuses to convert by int(); and bfloat16 is stored
as 16-bit integers, which the interpreter's dot multiplies as integers. Shortcuts: the interpreter patches
triton.language again on every call of a device function, and builds new shape and type objects for every intermediate
result.
"""

from functools import cache
from inspect import ismodule
from math import prod
from typing import Any

import numpy as np
import triton
import triton.language as tl
from triton.language.semantic import TritonSemantic
from triton.runtime import interpreter

IS_ON: bool = triton.knobs.runtime.interpret

_patch_lang = interpreter._patch_lang
_patch_lang_tensor = interpreter._patch_lang_tensor
_create_dot = interpreter.InterpreterBuilder.create_dot

_get_np_dtype = interpreter._get_np_dtype
_broadcast_impl_value = TritonSemantic.broadcast_impl_value

_np_dtypes: dict[str, Any] = {}
_patched: set[tuple[bool, bool]] = set()


def _patch_with_item(tensor: Any, scope: Any) -> None:
    _patch_lang_tensor(tensor, scope)
    scope.set_attr(tensor, "__index__", lambda self: self.handle.data.item())


def _widen(operand: Any) -> Any:
    if operand.dtype.scalar != tl.bfloat16:
        return operand
    return interpreter.TensorHandle((operand.data.astype(np.uint32) << 16).view(np.float32), tl.float32)


def _create_dot_of_numbers(self: Any, a: Any, b: Any, *rest: Any) -> Any:
    return _create_dot(self, _widen(a), _widen(b), *rest)


class _Scope(interpreter._LangPatchScope):
    """Patches of a kernel launch, which end with it."""

    def restore(self) -> None:
        super().restore()
        _patched.clear()


@cache
def _sees(fn: Any) -> tuple[bool, bool]:
    """Returns whether the function's module imports triton.language, and its core."""
    modules = [value for value in fn.__globals__.values() if ismodule(value)]
    return tl in modules, tl.core in modules


def _patch_lang_once(fn: Any) -> Any:
    """Patches triton.language once per launch. Triton does it again on each call of a device function."""
    if (key := _sees(fn)) in _patched:
        return _Scope()
    scope = _patch_lang(fn)
    _patched.add(key)
    return scope


@cache
def _block(sizes: tuple[int, ...], name: str) -> tuple[Any, int, str]:
    shape = tl.core.tuple(sizes)
    return shape, prod(sizes), f"<{shape}, {name}>"


def _init_block_type(self: Any, element_ty: Any, shape: Any) -> None:
    """Replaces tl.block_type.__init__; equal shapes share one object."""
    sizes = tuple(size.value if isinstance(size, tl.constexpr) else size for size in shape)
    assert sizes
    self.element_ty = element_ty
    self.shape, self.numel, self.name = _block(sizes, element_ty.name)


@cache
def _shape_and_numel(sizes: tuple[int, ...]) -> tuple[Any, Any]:
    return tl.core.tuple([tl.constexpr(size) for size in sizes]), tl.constexpr(prod(sizes))


def _init_tensor(self: Any, handle: Any, type: Any) -> None:
    """Replaces tl.tensor.__init__; equal shapes share one object."""
    self.handle, self.type, self.dtype = handle, type, type.scalar
    self.shape, self.numel = _shape_and_numel(tuple(type.shape) if type.is_block() else ())


def _np_dtype_of(type: Any) -> Any:
    """Replaces interpreter._get_np_dtype, which builds a table of all types on each call."""
    scalar = type.scalar
    if scalar.name not in _np_dtypes:
        _np_dtypes[scalar.name] = _get_np_dtype(scalar)
    return _np_dtypes[scalar.name]


def _broadcast(self: Any, lhs: Any, rhs: Any) -> Any:
    """Replaces TritonSemantic.broadcast_impl_value; returns operands of one shape unchanged."""
    if lhs.shape is rhs.shape:
        return lhs, rhs
    return _broadcast_impl_value(self, lhs, rhs)


interpreter._patch_lang_tensor = _patch_with_item
interpreter.InterpreterBuilder.create_dot = _create_dot_of_numbers
if IS_ON:
    interpreter._LangPatchScope = _Scope
    interpreter._patch_lang = _patch_lang_once
    interpreter._get_np_dtype = _np_dtype_of
    TritonSemantic.broadcast_impl_value = _broadcast
    tl.tensor.__init__ = _init_tensor
    tl.block_type.__init__ = _init_block_type
