"""Importing this before a kernel runs lets Triton 3.6's interpreter work under NumPy 2.4.

It turns loop bounds, arrays of one element, into numbers by int(), which NumPy has come to refuse.
"""

from typing import Any

from triton.runtime import interpreter

_patch_lang_tensor = interpreter._patch_lang_tensor


def _patch_with_item(tensor: Any, scope: Any) -> None:
    _patch_lang_tensor(tensor, scope)
    scope.set_attr(tensor, "__index__", lambda self: self.handle.data.item())


interpreter._patch_lang_tensor = _patch_with_item
