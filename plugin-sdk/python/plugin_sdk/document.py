"""A document, and how its fields are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from . import glance, pointer
from .failure import Failure, MissingField
from .json_text import decode

T = TypeVar("T")

_GLANCES = 3
"""After so many fields that were looked for in the text, parsing it costs less than looking for another."""

_WORDS: dict[type, str] = {
    str: "text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "an array",
    type(None): "null",
}


class Document(Mapping[str, Any]):
    """A document as the store held it when its batch was read. It cannot be changed: return what is to be set.

    It is a mapping of its top-level fields.

    >>> user = Document("u1", '{"email": "ada@example.org", "address": {"city": "Oslo"}}')
    >>> user.id, user["email"], user.get("age"), "address" in user, user.at("/address/city")
    ('u1', 'ada@example.org', None, True, 'Oslo')
    """

    __slots__ = ("_body", "_glances", "id", "raw")

    def __init__(self, id: str, raw: str) -> None:
        self.id = id
        """Its key within the table, as text."""
        self.raw = raw
        """Its body, as the store's own JSON text."""
        self._body: Any = pointer.MISSING
        self._glances = 0

    @property
    def body(self) -> Any:
        """The whole body, which is an object nearly always."""
        if self._body is pointer.MISSING:
            self._body = decode(self.raw)
        return self._body

    def __getitem__(self, key: str) -> Any:
        value = self._field(key)
        if value is pointer.MISSING:
            raise MissingField(pointer.of_key(key))
        return value

    def __contains__(self, key: object) -> bool:
        return self._field(key) is not pointer.MISSING

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a top-level field; the default if there is none."""
        value = self._field(key)
        return default if value is pointer.MISSING else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._object())

    def __len__(self) -> int:
        return len(self._object())

    def __bool__(self) -> bool:
        return True  # A document without fields is there, too.

    def __repr__(self) -> str:
        return f"Document({self.id!r}, {self.raw!r})"

    def at(self, at: str, default: Any = None) -> Any:
        """The value that a JSON Pointer leads to; the default if there is none."""
        value = self._follow(at)
        return default if value is pointer.MISSING else value

    def require(self, at: str, kind: type[T]) -> T:
        """The value that a JSON Pointer leads to, where the migration cannot do without.

        Raises `missing-field` if there is none, or null, and `invalid-field` if it is of another kind.

        >>> Document("u1", '{"age": 36}').require("/age", int)
        36
        >>> Document("u1", '{"age": "old"}').require("/age", int)
        Traceback (most recent call last):
        plugin_sdk.failure.Failure: /age is text, not an integer
        """
        value = self._follow(at)
        if type(value) is kind and value is not None:
            return value
        if value is pointer.MISSING or value is None:
            raise MissingField(at)
        # To Python, true is an integer, and an integer is no float; to JSON it is the other way round.
        is_bool = isinstance(value, bool)
        if isinstance(value, kind) and (not is_bool or kind in (bool, object)):
            return value
        if kind is float and isinstance(value, int) and not is_bool:
            return value  # type: ignore[return-value]  # Type checkers take int for a kind of float.
        raise Failure("invalid-field", f"{at} is {word(type(value))}, not {word(kind)}", at)

    def _follow(self, at: str) -> Any:
        """The value that a pointer leads to, or MISSING."""
        keys = pointer.keys(at)
        value = self._glance(keys[0]) if len(keys) == 1 else glance.UNKNOWN
        return pointer.follow(self.body, at) if value is glance.UNKNOWN else value

    def _field(self, key: object) -> Any:
        """The value of a top-level field, or MISSING."""
        value = self._glance(key)
        return self._object().get(key, pointer.MISSING) if value is glance.UNKNOWN else value

    def _glance(self, key: object) -> Any:
        """The same, as far as it can be told without parsing the body, or UNKNOWN."""
        if self._body is not pointer.MISSING or self._glances == _GLANCES or type(key) is not str:
            return glance.UNKNOWN
        self._glances += 1
        return glance.scalar(self.raw, key)

    def _object(self) -> dict[Any, Any]:
        body = self.body
        if not isinstance(body, dict):
            raise Failure("invalid-document", f"the document is {word(type(body))}, not an object")
        return body


def word(kind: type) -> str:
    """What JSON calls values of this type."""
    for known in kind.__mro__:
        if known in _WORDS:
            return _WORDS[known]
    return kind.__name__
