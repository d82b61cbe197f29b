from __future__ import annotations

from instructions.attributes import attribute, text
from instructions.elements import Noun


class Parameter(Noun):
    """A name and a value for whoever is at the other end."""

    name: str = attribute(text(256), default="")
    value: str = attribute(text(), default="")


class Config(Noun):
    """A setting of a connected service."""

    name: str = attribute(text(256), default="")
    value: str = attribute(text(), default="")
