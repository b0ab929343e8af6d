# SPDX-License-Identifier: MIT
"""The callback for a validator: it rejects unless Python explicitly wrote "accept".

ctypes leaves the result of a callback uninitialised when its function raises, and the library would take whatever is on
the stack for the verdict. No Python function can promise not to raise: an exception that another thread sets
(PyThreadState_SetAsyncExc) or that a trace function raises comes before its first line. So what the library calls
consists of C functions only. ctypes calls a foreign function with an output parameter; the foreign function is a second
callback, which has no result and is the first to run Python; the output parameter, which begins as a rejection, is
returned. An exception in the second callback ends there and leaves the rejection as it was.
"""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Callable
from typing import Any

from . import _abi


class _Verdict(ctypes.c_int32):
    """The output parameter. Its two methods are C functions, too."""

    # A new verdict is a rejection.
    __new__ = staticmethod(operator.methodcaller("from_buffer_copy", bytes(ctypes.c_int32(_abi.REJECT))))  # type: ignore[assignment]
    # What ctypes returns for it: True is _abi.ACCEPT, False is _abi.REJECT.
    __ctypes_from_outparam__ = ctypes.c_int32.__bool__  # type: ignore[attr-defined]


_IN, _OUT = 1, 2


def rejecting_unless_accepted(judge: Callable[..., None], kind: Any) -> Any:
    """A callback of that kind for the library. It is kept for ever.

    judge gets its arguments, and the verdict: ``verdict[0] = ACCEPT``.
    """
    judge_fn = ctypes.CFUNCTYPE(None, *kind._argtypes_, ctypes.POINTER(_Verdict))
    inner = judge_fn(judge)
    parameters = (*((_IN, f"argument{number}") for number, _ in enumerate(kind._argtypes_)), (_OUT, "verdict"))
    # ctypes takes output parameters only with a function of a library: any, whose address is then replaced.
    outer = judge_fn(("Py_IsInitialized", ctypes.pythonapi), parameters)
    ctypes.c_void_p.from_buffer(outer).value = ctypes.cast(inner, ctypes.c_void_p).value
    callback = kind(outer)
    _kept.append((inner, outer, callback))
    return callback


_kept: list[Any] = []
