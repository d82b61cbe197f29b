"""The reference page of the language, made from its table: `python -m callrouter.scenario.reference`."""

from __future__ import annotations

from callrouter.scenario import grammar
from callrouter.scenario.grammar import APP, CLIENT, EXPECT, NOBODY, PHONE, Sentence
from callrouter.scenario.values import EXPLAINED

HEAD = """\
# Scenario files

Made from the code by `make docs`. How they are used: [docs/how-to/scenarios.md](../how-to/scenarios.md).

A file is UTF-8 text. A line that begins with `#` is a comment. A line is one sentence, or several with commas
between. Who acts stands in front: a phone number, the name of a client, `nobody`, `app` or `expect`. Without it
the subject is that of the sentence before in the line; at the beginning of an indented line, that of the nearest
line above which is indented less. `the caller` is who placed the latest call.

Sentences happen in their order. Each waits until it is so, for 15 seconds unless `within` says otherwise; after
one that differs the rest is left out, but all expectations in a row are judged. In brackets is what may be left
out.
"""
PARTS = (
    ("Before it begins", (grammar.SETTINGS, None)),
    ("Phones and clients", (grammar.SENTENCES, {PHONE, CLIENT})),
    ("Phones only", (grammar.SENTENCES, {PHONE})),
    ("Clients only", (grammar.SENTENCES, {CLIENT})),
    ("The app, and nobody", (grammar.SENTENCES, {APP, NOBODY})),
    ("Expectations", (grammar.SENTENCES, {EXPECT})),
)
FRONT = {APP: "app ", NOBODY: "nobody ", EXPECT: "expect "}


def page() -> str:
    lines = [HEAD]
    for title, (sentences, by) in PARTS:
        lines += [f"## {title}\n", "| sentence | means |", "| --- | --- |"]
        lines += [_row(one) for one in sentences if by is None or _belongs(one, by)]
        lines.append("")
    lines += ["## Words in capitals\n", "| word | stands for |", "| --- | --- |"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in EXPLAINED.items()]
    return "\n".join(lines) + "\n"


def _belongs(sentence: Sentence, by: set[str]) -> bool:
    """Those of phones and clients alike have a part of their own."""
    return set(sentence.by) == by or (len(sentence.by) == 1 and set(sentence.by) < by and by == {APP, NOBODY})


def _row(sentence: Sentence) -> str:
    return f"| `{FRONT.get(sentence.by[0], '')}{sentence.pattern}` | {sentence.means} |"


if __name__ == "__main__":
    print(page(), end="")
