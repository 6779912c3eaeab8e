"""Quantities compared and added exactly, in billionths: what Kubernetes keeps of one, whatever its sign and size."""

from __future__ import annotations

import functools
import re
from typing import Final

from scheduler import errors
from scheduler.api import core

NANO: Final = 10**9
MAX_NANO: Final = (2**63 - 1) * NANO  # what is more is this much: apimachinery resource.ParseQuantity

_QUANTITY: Final = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]+)|([KMGTPE]i|[numkMGTPE]?))")
_BINARY: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
# The largest first.
_DECIMAL_SIZES: Final = tuple((suffix, 10 ** (power + 9)) for suffix, power in reversed(_DECIMAL.items()))
_BINARY_SIZES: Final = (*((suffix, size * NANO) for suffix, size in reversed(_BINARY.items())), ("", NANO))
_MAX_TEXT: Final = 256  # as units has it
_MAX_EXPONENT: Final = 2 * _MAX_TEXT


def nano(quantity: core.Quantity) -> int:
    """A quantity in billionths, rounded away from zero.

    Raises:
        InputError: it is none.
    """
    if isinstance(quantity, bool):
        raise _refused(quantity)
    return _read(quantity if isinstance(quantity, str) else repr(quantity))


@functools.lru_cache(maxsize=16384)
def _read(text: str) -> int:
    match = _QUANTITY.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None:
        raise _refused(text)
    sign, number, exponent, suffix = match.groups()
    whole, _, fraction = number.partition(".")
    digits = int(whole + fraction) * _BINARY.get(suffix or "", 1)
    power = max(-_MAX_EXPONENT, min(_MAX_EXPONENT, int(exponent))) if exponent is not None else _DECIMAL.get(suffix, 0)
    scale = power + 9 - len(fraction)
    ten: int = 10 ** abs(scale)
    size = min(digits * ten if scale >= 0 else -(-digits // ten), MAX_NANO)
    return -size if sign == "-" else size


def text(amount_nano: int, *, is_binary: bool = False) -> str:
    """The quantity of so many billionths as apimachinery writes it; ``is_binary``: by 1024s, where it is whole."""
    suffixes = _BINARY_SIZES if is_binary and amount_nano % NANO == 0 else _DECIMAL_SIZES
    suffix, size = next(one for one in suffixes if amount_nano % one[1] == 0) if amount_nano else ("", 1)
    return f"{amount_nano // size}{suffix}"


def _refused(quantity: object) -> errors.InputError:
    return errors.InputError("quantity", quantity, 'not a quantity; write a number such as "500m", "2" or "1Gi"')
