"""Frozen records as JSON, and back: the types are the schema.

A record becomes an object of its fields plus `type`, its class name; bytes become text where they are UTF-8 and
`{"base64": …}` where not. What does not fit its types raises SnapshotError.
"""

from __future__ import annotations

import base64
import binascii
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from instructions.errors import SnapshotError
from instructions.outcomes import Memory

JSON = dict[str, Any]
T = TypeVar("T")


def encode(value: object) -> object:
    if value is None or type(value) in (str, int, bool):  # most are; a state is stored at each step of a call
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__} | {
            row.name: encode(getattr(value, row.name)) for row in fields(value)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode("ascii")}
    return value


def as_object(value: object) -> JSON:
    if not isinstance(value, dict):
        raise SnapshotError(f"expected an object, not {value!r:.80}")
    return value


def named(known: Mapping[str, type[Any]], value: object) -> object:
    stored = as_object(value)
    name = stored.get("type")
    if not isinstance(name, str) or name not in known:
        raise SnapshotError(f"{name!r:.80} is none of {', '.join(known)}")
    return record(known[name], stored)


@cache
def _hints(cls: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(cls)


def record(cls: type[T], stored: JSON) -> T:
    kind: Any = cls
    hints = _hints(kind)
    if unknown := stored.keys() - hints.keys() - {"type"}:
        raise SnapshotError(f"{cls.__name__} has no field {min(unknown)!r}")
    try:
        return cls(**{name: _decode(hints[name], stored[name]) for name in hints if name in stored})
    except (TypeError, ValueError) as fault:
        raise SnapshotError(f"{cls.__name__}: {fault}") from None


def _decode(hint: Any, value: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _decode_union(arguments, value)
    if origin is Literal:
        return value if value in arguments else _mismatch(hint, value)
    if origin is tuple and isinstance(value, list):
        if arguments[-1] is Ellipsis:
            return tuple(_decode(arguments[0], item) for item in value)
        if len(arguments) == len(value):
            return tuple(_decode(kind, item) for kind, item in zip(arguments, value, strict=True))
    elif is_dataclass(hint) and isinstance(hint, type):
        return record(hint, as_object(value))
    elif isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    elif hint is bytes:
        return _decode_bytes(value)
    elif hint is float and type(value) in (int, float):
        return float(value)
    elif type(value) is hint:
        return value
    return _mismatch(hint, value)


def _decode_union(hints: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in hints:
        return None
    if Memory in hints:
        return named(Memory.kinds, value)
    if isinstance(value, dict):
        return named(
            {hint.__name__: hint for hint in hints if isinstance(hint, type) and is_dataclass(hint)}, value
        )
    plain = [hint for hint in hints if hint is not type(None) and not is_dataclass(hint)]
    return _decode(plain[0], value) if plain else _mismatch(hints, value)


def _decode_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8")
    try:
        return base64.b64decode(as_object(value)["base64"], validate=True)
    except (KeyError, TypeError, binascii.Error):
        return cast(bytes, _mismatch(bytes, value))


def _mismatch(hint: Any, value: Any) -> Any:
    raise SnapshotError(f"expected {getattr(hint, '__name__', hint)}, not {value!r:.80}")
