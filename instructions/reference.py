"""`python -m instructions.reference` prints the reference of verbs and attributes, from the tables that parse."""

from __future__ import annotations

from collections.abc import Iterator

from instructions.attributes import URL, Attribute
from instructions.document import Response
from instructions.elements import Element, Noun, Verb
from instructions.messaging.verbs import Response as MessageResponse
from instructions.verbs.dial_nouns import Application, ApplicationSid, Client, Conference, Identity, Number
from instructions.verbs.dial_queue import QueueNoun
from instructions.verbs.dial_sip import Header, Headers, Sip, Uri
from instructions.verbs.dial_table import TABLE
from instructions.verbs.parameter import Parameter
from instructions.verbs.ssml import SPEECH
from instructions.verbs.streams import Recording, Stream

_ACTING_NOUNS = (
    Number,
    Client,
    Identity,
    Sip,
    Uri,
    Headers,
    Header,
    Application,
    ApplicationSid,
    Conference,
    QueueNoun,
    Stream,
    Recording,
    Parameter,
    *SPEECH,
)


def elements(root: type[Element] = Response) -> tuple[type[Element], ...]:
    """Every known element, each once, parents first."""
    found: dict[type[Element], None] = {}
    waiting = list(root.nests)
    while waiting:
        cls = waiting.pop(0)
        if cls not in found:
            found[cls] = None
            waiting[:0] = cls.nests
    return tuple(found)


def acts(cls: type[Element]) -> bool:
    if issubclass(cls, Verb):
        return cls.acts()
    return cls in _ACTING_NOUNS or cls in elements(MessageResponse)


def page() -> str:
    """The reference page, in Markdown."""
    calls = (line for cls in elements() for line in _section(cls))
    messages = (line for cls in elements(MessageResponse) for line in _section(cls))
    return "\n".join([*calls, *_dial_table(), "", "# In the answer to a message", "", *messages])


def _section(cls: type[Element]) -> Iterator[str]:
    verb = not issubclass(cls, Noun)
    yield f"## `<{cls.tag}>` ({'verb' if verb else 'noun'})"
    yield ""
    yield " ".join((cls.__doc__ or "").split())
    if not acts(cls):
        yield "Known and checked; it does not act yet, and is skipped with a warning."
    if cls.nests:
        yield "May contain: " + ", ".join(f"`<{child.tag}>`" for child in cls.nests) + "."
    if cls.content:
        yield f"Text: {cls.content.name} (otherwise warning {cls.content_code})."
    yield ""
    if cls.table:
        yield "| attribute | value | default | warning | |"
        yield "|---|---|---|---|---|"
        yield from (_line(row, acts(cls)) for row in cls.table)
        yield ""


def _dial_table() -> Iterator[str]:
    yield from (
        "## How a `<Dial>` goes on",
        "",
        "| while | when | then | after these steps |",
        "|---|---|---|---|",
    )
    for (phase, cue), (then, steps) in TABLE.items():
        cells = (
            phase,
            cue.replace("_", " "),
            then,
            ", ".join(step.replace("_", " ") for step in steps) or "–",
        )
        yield f"| {' | '.join(cells)} |"


def _line(row: Attribute, element_acts: bool) -> str:
    effect = "acts" if element_acts and row.acts else "checked only"
    value = row.kind.name.replace("|", "\\|")
    return f"| `{row.name}` | {value} | {_shown(row)} | {row.code} | {effect} |"


def _shown(row: Attribute) -> str:
    default = row.default
    if default is None or default == ():
        return "none"
    if default == "":
        return "this document" if row.kind is URL else "empty"
    words = default if isinstance(default, tuple) else (default,)
    return "`" + " ".join(str(word).lower() if isinstance(word, bool) else str(word) for word in words) + "`"


if __name__ == "__main__":
    print(page())
