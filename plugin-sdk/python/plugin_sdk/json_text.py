"""JSON text to Python's values, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring, encode_basestring_ascii
from math import isfinite
from typing import Any

from .failure import Failure
from .numbers import Number

_DECODER = json.JSONDecoder(parse_float=Number)

decode: Callable[[str], Any] = _DECODER.decode
"""The value of a JSON text. Where an object has a key twice, the last one counts."""

scan: Callable[[str, int], tuple[Any, int]] = _DECODER.scan_once  # type: ignore[attr-defined]
"""The value that begins at a place in a text, and where it ends."""


class Raw:
    """JSON text that stays as it is spelled."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        decode(text)
        self.text = text


def encode(value: object, at: str | None = None) -> str:
    """The JSON text of a value. Raises a failure, `invalid-value`, that blames the field `at`."""
    # Most values are one of these, and the way of the others takes several times as long.
    if type(value) is str:
        return _string(value)
    if type(value) is int:
        return repr(value)
    parts: list[str] = []
    try:
        _write(value, parts.append)
    except (TypeError, ValueError) as error:
        what = f"the value for {at}" if at else "the value"
        raise Failure("invalid-value", f"{what} cannot be written as JSON: {error}", at) from None
    return "".join(parts)


def _write(value: object, write: Callable[[str], None]) -> None:
    if isinstance(value, str):
        write(_string(value))
    elif value is None:
        write("null")
    elif value is True:
        write("true")
    elif value is False:
        write("false")
    elif isinstance(value, int):
        write(int.__repr__(value))
    elif isinstance(value, (Number, Raw)):
        write(value.text)
    elif isinstance(value, (float, Decimal)):
        if not isfinite(value):
            raise ValueError(f"{value} is no JSON number")
        write(str(value))
    elif isinstance(value, Mapping):
        _write_object(value, write)
    elif isinstance(value, (list, tuple)):
        _write_array(value, write)
    else:
        raise TypeError(f"JSON has no {type(value).__name__}")


def _write_object(value: Mapping[Any, object], write: Callable[[str], None]) -> None:
    before = "{"
    for key, member in value.items():
        if not isinstance(key, str):
            raise TypeError(f"the key {key!r} is no text")
        write(before + _string(key) + ":")
        _write(member, write)
        before = ","
    write("}" if before == "," else "{}")


def _write_array(value: list[object] | tuple[object, ...], write: Callable[[str], None]) -> None:
    before = "["
    for element in value:
        write(before)
        _write(element, write)
        before = ","
    write("]" if before == "," else "[]")


def _string(value: str) -> str:
    text: str = encode_basestring(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            # Half a surrogate pair, which JSON can spell and UTF-8 cannot.
            text = encode_basestring_ascii(value)
    return text
