"""Why one document could not be migrated."""

from __future__ import annotations

import traceback
from pathlib import PurePath

_SDK = PurePath(__file__).parent
_LIBRARY = PurePath(traceback.__file__).parent


class Failure(Exception):
    """Why one document could not be migrated: it is quarantined, and the run goes on.

    Raise it from anywhere, or return it from the transform. Its text is stored and shown: put no secrets into it.

    >>> fail("bad-email", "email has no @", at="/email").at
    '/email'
    """

    def __init__(self, code: str, message: str, at: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        """For machines: stable, lower-case words joined by hyphens."""
        self.message = message
        """For people."""
        # The whole document says nothing that the report would not.
        self.at = at or None
        """The JSON Pointer of the field that is to blame."""


def fail(code: str, message: str, at: str | None = None) -> Failure:
    """A failure with a code for machines, a message for people, and a pointer to the field that is to blame.

    >>> raise fail("no-name", "email has no @")
    Traceback (most recent call last):
    plugin_sdk.failure.Failure: email has no @
    """
    return Failure(code, message, at)


class MissingField(Failure, KeyError):
    """There is no such field. It is a `KeyError` too."""

    def __init__(self, at: str) -> None:
        super().__init__("missing-field", f"there is no {at}", at)


def of_exception(error: BaseException) -> Failure:
    """Any exception as a failure, which tells its type, its message and the line of the plugin that it comes from."""
    if isinstance(error, Failure):
        return error
    try:
        text = str(error)
    except BaseException:  # An exception whose text cannot be told is still that document's failure.
        text = ""
    name = type(error).__name__
    place = _line(error)
    return Failure("error", (f"{name}: {text}" if text else name) + (f" ({place})" if place else ""))


def _line(error: BaseException) -> str | None:
    """The innermost line of the plugin: neither the SDK's nor the standard library's."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        path = PurePath(frame.f_code.co_filename)
        if path.parent != _SDK and _LIBRARY not in path.parents:
            return f"{path.name}:{line}"
    return None
