"""Importing this makes the interpreter of Triton 3.6 do two things that it should.

It turns loop bounds, arrays of one element, into numbers by int(), which NumPy 2.4 refuses; and it keeps bfloat16 as
16-bit integers, which its matrix product takes at their face value.
"""

from typing import Any

import numpy as np
import triton
import triton.language as tl
from triton.runtime import interpreter

IS_ON: bool = triton.knobs.runtime.interpret

_patch_lang_tensor = interpreter._patch_lang_tensor
_create_dot = interpreter.InterpreterBuilder.create_dot


def _patch_with_item(tensor: Any, scope: Any) -> None:
    _patch_lang_tensor(tensor, scope)
    scope.set_attr(tensor, "__index__", lambda self: self.handle.data.item())


def _widen(operand: Any) -> Any:
    if operand.dtype.scalar != tl.bfloat16:
        return operand
    return interpreter.TensorHandle((operand.data.astype(np.uint32) << 16).view(np.float32), tl.float32)


def _create_dot_of_numbers(self: Any, a: Any, b: Any, *rest: Any) -> Any:
    return _create_dot(self, _widen(a), _widen(b), *rest)


interpreter._patch_lang_tensor = _patch_with_item
interpreter.InterpreterBuilder.create_dot = _create_dot_of_numbers
