"""What all tables share: column types with their lengths, and constraint names for migrations."""

from typing import Annotated, Any, ClassVar

from sqlalchemy import JSON, Float, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, mapped_column

Sid = Annotated[str, mapped_column(String(34))]
Moment = Annotated[float, mapped_column(Float(53))]
Measure = Annotated[float, mapped_column(Float(53))]
Word = Annotated[str, mapped_column(String(64))]
Long = Annotated[str, mapped_column(Text)]
Address = Annotated[str, mapped_column(String(300))]
"""A number, `client:identity` (at most 256 characters) or whatever a carrier gave as a caller."""


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[Any] = {dict[str, Any]: JSON, list[Any]: JSON, list[str]: JSON}
