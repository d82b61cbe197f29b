from __future__ import annotations

from instructions.attributes import attribute, text
from instructions.commands import Params
from instructions.elements import Element, Noun


class Parameter(Noun):
    """A name and a value for whoever is at the other end."""

    name: str = attribute(text(256), default="")
    value: str = attribute(text(), default="")


class Config(Noun):
    """A setting of a connected service."""

    name: str = attribute(text(256), default="")
    value: str = attribute(text(), default="")


def parameters(element: Element) -> Params:
    """The <Parameter> children that have a name."""
    named = [child for child in element.children if isinstance(child, Parameter) and child.name]
    return tuple((child.name, child.value) for child in named)
