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
_PARAMETERS = ((_IN, "candidate"), (_IN, "reason"), (_IN, "room"), (_IN, "token"), (_OUT, "verdict"))
_JudgeFn = ctypes.CFUNCTYPE(
    None,
    ctypes.POINTER(_abi.CandidateStruct),
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.POINTER(_Verdict),
)

Judge = Callable[[Any, int, int, "int | None", Any], None]
"""Gets the candidate, where to write the reason, the room there, a token, and the verdict: ``verdict[0] = ACCEPT``."""


def rejecting_unless_accepted(judge: Judge) -> Any:
    """The callback for the library. It must be kept for ever."""
    inner = _JudgeFn(judge)
    # ctypes takes output parameters only with a function of a library: any, whose address is then replaced.
    outer = _JudgeFn(("Py_IsInitialized", ctypes.pythonapi), _PARAMETERS)
    ctypes.c_void_p.from_buffer(outer).value = ctypes.cast(inner, ctypes.c_void_p).value
    callback = _abi.ValidatorFn(outer)
    _kept.append((inner, outer, callback))
    return callback


_kept: list[Any] = []
