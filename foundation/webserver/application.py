"""Flask applications whose addresses are matched and not built."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.routing import Rule


class MatchedRule(Rule):
    """A rule that is made ready for `url_for` when somebody first asks.

    Werkzeug writes and compiles code for each rule that builds its address, and a router has hundreds; our links are
    written out. The method is Werkzeug's own: should it go, nothing is saved and all works.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        def build(rule: Rule, **values: Any) -> tuple[str, str]:
            builder = Rule._compile_builder(rule, append_unknown)
            return builder(rule, **values)

        return build


class Application(Flask):
    """Serves no files of its own."""

    url_rule_class = MatchedRule

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
