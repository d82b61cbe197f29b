"""Routes in Twilio's way: one path, written with `.json`, with `.xml` or without a suffix."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from flask import Blueprint, Response

View = Callable[..., Response]
V = TypeVar("V", bound=View)
SUFFIXES = ("", ".json", ".xml")


def route(
    blueprint: Blueprint, method: str, *paths: str, suffixes: Sequence[str] = SUFFIXES
) -> Callable[[V], V]:
    """Registers a view for these paths in all three forms, or in others."""

    def register(view: V) -> V:
        for path in paths:
            for suffix in suffixes:
                blueprint.add_url_rule(
                    path + suffix,
                    view_func=view,
                    methods=[method],
                    provide_automatic_options=False,
                )
        return view

    return register
