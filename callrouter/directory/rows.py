"""From a database row to a frozen value of the same field names."""

from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select

T = TypeVar("T")


def value(cls: type[T], row: Row[Any]) -> T:
    """The dataclass with the row's columns; columns that it has no field for are left out."""
    return cls(**{field.name: row._mapping[field.name] for field in fields(cls)})  # type: ignore[arg-type]


def values(cls: type[T], connection: Connection, query: Select[Any]) -> list[T]:
    return [value(cls, row) for row in connection.execute(query)]
