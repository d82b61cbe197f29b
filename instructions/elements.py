"""What a verb and a noun are: frozen records whose class body is Twilio's attribute table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, dataclass_transform

from instructions.attributes import Attribute, Kind, attribute, table
from instructions.commands import Fault, Warn
from instructions.errors import NOT_ACTING, SCHEMA_WARNING
from instructions.events import Event
from instructions.outcomes import Call, Memory, Next, Outcome


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A warning about the document, with the line it is about."""

    code: int
    message: str
    line: int


@dataclass(frozen=True, kw_only=True)
@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(attribute,))
class Element:
    """A known element: its attributes, its text (None when that is not valid) and its children.

    Class arguments: `tag` where the XML name differs from the class name, `nests` the legal children,
    `nest_code` the warning for any other, `content` with `content_code` the kind of text inside, `spoken`
    when the text of children belongs to it (SSML): only then `parts` are text and children as they follow
    each other.
    """

    tag: ClassVar[str] = ""
    table: ClassVar[tuple[Attribute, ...]] = ()
    nests: ClassVar[tuple[type[Element], ...]] = ()
    nest_code: ClassVar[int] = SCHEMA_WARNING
    content: ClassVar[Kind[str] | None] = None
    content_code: ClassVar[int] = SCHEMA_WARNING
    spoken: ClassVar[bool] = False

    line: int = 0
    text: str | None = ""
    children: tuple[Element, ...] = ()
    parts: tuple[str | Element, ...] = ()

    def __init_subclass__(cls, *, tag: str | None = None, **facts: Any) -> None:
        super().__init_subclass__()
        cls.tag = tag or cls.__name__
        for name, value in facts.items():
            if name not in ("nests", "nest_code", "content", "content_code", "spoken"):
                raise TypeError(f"{cls.__name__}: no class argument {name!r}")
            setattr(cls, name, value)
        cls.table = table(dataclass(frozen=True, kw_only=True)(cls))

    def check(self) -> Iterator[Problem]:
        """Rules over several attributes or children; single values and nesting are checked by the parser."""
        return iter(())


class Noun(Element):
    """A child of a verb."""


class Verb(Element):
    """A child of `<Response>`. `begin` and `resume` are pure; both answer with an Outcome."""

    answers: ClassVar[bool] = True
    """Whether an unanswered call is answered before this verb runs (Twilio's table of verbs)."""

    def begin(self, call: Call) -> Outcome:
        """Run. A verb without its own `begin` does not act yet: it says so and the next verb runs."""
        message = f"<{self.tag}> does not act yet: it was skipped"
        return Next(commands=(Warn(code=NOT_ACTING, message=message, line=self.line, url=call.url),))

    def resume(self, call: Call, memory: Memory, event: Event) -> Outcome | None:
        """Go on after `event`; None when the event means nothing to this verb."""
        return None

    def needs_answer(self) -> bool:
        return self.answers

    @classmethod
    def acts(cls) -> bool:
        return cls.begin is not Verb.begin


def idle_attributes(element: Element, call: Call) -> Iterator[Warn]:
    """A warning for each attribute that was given and does not act yet."""
    for row in element.table:
        if not row.acts and getattr(element, row.field) != row.default:
            message = f"<{element.tag} {row.name}> does not act yet: it was ignored"
            yield Warn(code=NOT_ACTING, message=message, line=element.line, url=call.url)


def unresolved(element: Element, name: str, value: str, call: Call) -> Fault:
    """The fault of a relative URL, in the attribute (or text) `name`, that nothing can be resolved against."""
    message = f"<{element.tag} {name}> is relative ({value[:80]!r}), but this document came without a URL"
    return Fault(code=15004, message=message, line=element.line, url=call.url)
