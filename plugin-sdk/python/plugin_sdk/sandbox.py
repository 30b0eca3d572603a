"""What Python offers and the sandbox does not have.

There is no WASI in the component: what asks for a clock, chance or a file would trap, with nobody told why. So in the
sandbox `print` and `logging` write to the document's log, the clocks stand at the start of the run, and whatever else
asks for the outside raises an error that says so. `random` is seeded by each document's id, so that its numbers do not
depend on where a batch begins.

Nothing of this applies to a test, which runs natively, or while a component is built and its modules are imported.
"""

from __future__ import annotations

import datetime
import importlib
import io
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from .context import Context
from .document import Document


class NotInSandbox(Exception):
    """The plugin asked for something that the sandbox does not have."""


class _Sandbox:
    """What the document at hand is, in the sandbox."""

    now: Callable[[], int] | None = None
    """The start of the run; None outside of the sandbox."""
    context: Context | None = None
    chance: _Chance | None = None
    """What the functions of `random` draw from, in a component."""


class _Chance(random.Random):
    """Is seeded when something is drawn for the first time: that takes longer than most transforms."""

    waiting: str | None = None
    """The seed that it has not been given yet."""

    def random(self) -> float:
        self._settle()
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        self._settle()
        return super().getrandbits(k)

    def getstate(self) -> tuple[Any, ...]:
        self._settle()
        return super().getstate()

    def setstate(self, state: tuple[Any, ...]) -> None:
        self.waiting = None
        super().setstate(state)

    def seed(self, a: Any = None, version: int = 2) -> None:
        self.waiting = None
        super().seed(a, version)

    def _settle(self) -> None:
        if self.waiting is not None:
            self.seed(self.waiting)


# An instance, for a class that is changed with each document is looked up slowly.
_SANDBOX = _Sandbox()


def begin(document: Document, context: Context) -> None:
    """The document at hand is this one."""
    _SANDBOX.context = context
    if _SANDBOX.chance is not None:
        _SANDBOX.chance.waiting = document.id


def end() -> None:
    """There is no document at hand any more."""
    if _OUTPUT.rest or _ERRORS.rest:
        _OUTPUT.flush()
        _ERRORS.flush()
    _SANDBOX.context = None


def prepare() -> None:
    """Takes the place of what a plugin may import: before that, while the component is built."""
    # JSON's integers have as many digits as they like; the limits on time bound what is done with them.
    sys.set_int_max_str_digits(0)
    os.urandom = _no_chance
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        _replace(time, name, lambda real: lambda: real() if _outside() else _seconds())
        _replace(time, name + "_ns", lambda real: lambda: real() if _outside() else round(_seconds() * 1000) * 1_000_000)
    for name in ("gmtime", "localtime", "ctime"):
        _replace(time, name, lambda real: lambda at=None: real(time.time() if at is None else at))
    _replace(time, "asctime", lambda real: lambda at=None: real(time.localtime() if at is None else at))
    _replace(time, "strftime", lambda real: lambda form, at=None: real(form, time.localtime() if at is None else at))
    datetime.datetime = _DateTime  # type: ignore[misc]
    _SANDBOX.chance = _Chance()
    shared = random._inst
    for name in random.__all__:
        if getattr(getattr(random, name), "__self__", None) is shared:
            setattr(random, name, getattr(_SANDBOX.chance, name))


def close() -> None:
    """Everything is imported, and the component about to be finished."""
    # What the standard library imports when it is first needed.
    for name in ("_strptime", "linecache", "traceback"):
        importlib.import_module(name)
    sys.addaudithook(_refuse)
    sys.stdout, sys.stderr = _OUTPUT, _ERRORS


def enter(now: Callable[[], int]) -> None:
    """From here on the component runs."""
    _SANDBOX.now = now


def _outside() -> bool:
    return _SANDBOX.now is None


def _seconds() -> float:
    return _SANDBOX.now() / 1000 if _SANDBOX.now is not None else 0.0


def _replace(module: Any, name: str, make: Callable[[Any], Any]) -> None:
    if hasattr(module, name):
        setattr(module, name, make(getattr(module, name)))


_real_urandom = os.urandom


def _no_chance(size: int) -> bytes:
    if _outside():
        return _real_urandom(size)
    raise NotInSandbox("there are no random bytes in the sandbox; ctx.new_id makes ids")


class _DateTime(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _DateTime:
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> _DateTime:
        return cls.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)


_DateTime.__name__ = _DateTime.__qualname__ = "datetime"


class _Lines(io.TextIOBase):
    """Output that goes to the log of the document at hand, line by line."""

    def __init__(self, write: Callable[[Context, str], None]) -> None:
        self._write = write
        self.rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self._emit(line)
        return len(text)

    def flush(self) -> None:
        if self.rest:
            line, self.rest = self.rest, ""
            self._emit(line)

    def _emit(self, line: str) -> None:
        if _SANDBOX.context is not None:
            self._write(_SANDBOX.context, line)


_OUTPUT = _Lines(Context.info)
_ERRORS = _Lines(Context.warn)

_OUTSIDE = ("open", "os.", "socket.", "subprocess.", "shutil.", "tempfile.", "glob.", "fcntl.", "ctypes.", "pty.")


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: Python tells it what is about to be done."""
    if _outside():
        return
    if event == "import":
        if arguments[0] in sys.builtin_module_names:
            return
        raise NotInSandbox(
            f"{arguments[0]} cannot be imported any more, for there are no files in the sandbox; "
            "import it at the top of the file"
        )
    if event == "time.sleep":
        raise NotInSandbox("nobody can wait in the sandbox")
    if event.startswith(_OUTSIDE):
        raise NotInSandbox(f"there are no files, network, environment or processes in the sandbox ({event})")
