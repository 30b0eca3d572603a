"""Numbers that keep their spelling."""

from __future__ import annotations


class Number(float):
    """A number with a fraction or an exponent, as JSON spells it.

    It is a `float`, and keeps its text: `6.10` that is copied to another field stays `6.10`, and so does a number that
    has more digits than a float. What is computed with it is a plain float. For exact decimals there is
    `Decimal(price.text)`.

    Integers of any size are Python's own, and exact.

    >>> price = Number("6.10")
    >>> price, price * 2
    (6.10, 12.2)
    """

    __slots__ = ("text",)

    text: str
    """As the document spells it."""

    def __new__(cls, text: str) -> Number:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __repr__(self) -> str:
        return self.text

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]
        return (self.text,)
