"""The scenario language: who calls, what is heard, what is pressed, who answers (docs/reference/scenarios.md).

    document /voice
      <Response><Dial><Client>alice</Client></Dial></Response>

    alice is registered
    +14155550100 calls +14155550199
    alice rings, answers, hears the caller, hangs up
    expect status completed

A line is a row of sentences with commas between. Who acts stands in front; without it the subject is that of the
sentence before, at the beginning of an indented line that of the nearest line above which is indented less.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from callrouter.scenario import grammar
from callrouter.scenario.faults import Fault, WrongScenario
from callrouter.scenario.grammar import APP, CLIENT, ENDS, EXPECT, NOBODY, PHONE, Mismatch, Sentence
from callrouter.scenario.values import NAME, NUMBER, hint
from callrouter.scenario.words import Word, WrongWord, split

MOST_BYTES = 256_000
SLOW = 3600.0
"""Seconds: longer than the router waits for any document."""
CALLER = "caller"
_SETTINGS = {
    first: [sentence for sentence in grammar.SETTINGS if sentence.pattern.split()[0] == first]
    for first in (sentence.pattern.split()[0] for sentence in grammar.SETTINGS)
}
_VERBS = {sentence.pattern.split()[0] for sentence in grammar.SENTENCES if EXPECT not in sentence.by}
_EXPECTED = {sentence.pattern.split()[0] for sentence in grammar.SENTENCES if EXPECT in sentence.by}
_REGISTERING = ("register", "nothing")


@dataclass(frozen=True, kw_only=True)
class Document:
    """What the app answers at a path, to requests with these parameters; `after` and `status` are its faults."""

    path: str
    body: str
    line: int
    """of its first row of TwiML"""
    when: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    status: int = 200
    after: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One sentence: `by` (a number, a name, `nobody`, `app` or `expect`) does `does`. `text` is as it was written."""

    line: int
    column: int
    kind: str
    by: str
    does: str
    values: Mapping[str, Any]
    text: str


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A file that was read. `numbers`: settings of those that are named, `clients_run`: a path, or None."""

    name: str
    documents: tuple[Document, ...]
    app: str | None
    numbers: Mapping[str, Mapping[str, str]]
    clients_run: str | None
    steps: tuple[Step, ...]

    @property
    def clients(self) -> set[str]:
        return {step.by for step in self.steps if step.kind == CLIENT}

    @property
    def texting(self) -> set[str]:
        """Clients that write or read messages."""
        return {step.by for step in self.steps if step.kind == CLIENT and "text" in step.does}


def parse(text: str, name: str = "scenario") -> Scenario:
    """Reads a file's text. WrongScenario with every fault, each with its place and remedy."""
    return _Parser(name).parse(text)


@dataclass(kw_only=True)
class _Heading:
    """A `document` line, and the lines below it."""

    sentence: Sentence
    values: Mapping[str, Any]
    indent: int
    line: int
    rows: list[str] = field(default_factory=list)


class _Parser:
    def __init__(self, name: str) -> None:
        self._name = name
        self._faults: list[Fault] = []
        self._documents: list[Document] = []
        self._numbers: dict[str, dict[str, str]] = {}
        self._app: str | None = None
        self._clients_run: str | None = None
        self._steps: list[Step] = []
        self._heading: _Heading | None = None
        self._subjects: list[tuple[int, str]] = []
        """indentation and subject of the lines that those below may belong to"""

    def parse(self, text: str) -> Scenario:
        if len(text.encode(errors="replace")) > MOST_BYTES or "\0" in text:
            fault = Fault(
                line=1, column=1, message=f"a scenario is a text of at most {MOST_BYTES // 1000} kB"
            )
            raise WrongScenario(self._name, [fault])
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
            try:
                self._line(line.rstrip("\r").expandtabs(8), number)
            except WrongWord as wrong:
                self._faults.append(wrong.fault)
            except _Wrong as wrong:
                self._faults.append(wrong.fault)
        self._end_document()
        self._whole()
        if self._faults:
            raise WrongScenario(self._name, self._faults)
        return Scenario(
            name=self._name,
            documents=tuple(self._documents),
            app=self._app,
            numbers=self._numbers,
            clients_run=self._clients_run,
            steps=tuple(self._steps),
        )

    def _line(self, line: str, number: int) -> None:
        indent = len(line) - len(line.lstrip())
        if self._heading and (not line.strip() or indent > self._heading.indent):
            self._heading.rows.append(line)
            return
        self._end_document()
        if not line.strip() or line.lstrip().startswith("#"):
            return
        words = split(line, number)
        if _is_setting(words):
            self._setting(words, indent, number)
        else:
            self._sentences(line, words, indent, number)

    # -- settings

    def _setting(self, words: list[Word], indent: int, number: int) -> None:
        sentence, values = _matching(_SETTINGS[words[0].text], words, words[0].text, number)
        match sentence.does:
            case "app":
                self._app = values["URL"].rstrip("/")
            case "clients":
                self._clients_run = values["PATH"]
            case "number":
                self._numbers[values["NUMBER"]] = {k: v for k, v in values.items() if k != "NUMBER"}
            case _:
                self._heading = _Heading(sentence=sentence, values=values, indent=indent, line=number)

    def _end_document(self) -> None:
        heading, self._heading = self._heading, None
        if heading is None:
            return
        body = textwrap.dedent("\n".join(heading.rows)).strip("\n")
        does = heading.sentence.does
        if not body and does in ("document", "document_late"):
            message = "a document needs its TwiML in the lines below, indented"
            self._faults.append(Fault(line=heading.line, column=1, message=message))
        if body and does == "document_fails":
            message = "a document that fails has no lines of its own; take them out"
            self._faults.append(Fault(line=heading.line + 1, column=1, message=message))
        late = heading.values.get("TIME", SLOW if does == "document_slow" else 0.0)
        blank = next((i for i, row in enumerate(heading.rows) if row.strip()), 0)
        self._documents.append(
            Document(
                path=heading.values["PATH"],
                body=body,
                line=heading.line + 1 + blank,
                when=heading.values.get("when", {}),
                status=heading.values.get("HTTP", 200),
                after=late,
            )
        )

    # -- sentences

    def _sentences(self, line: str, words: list[Word], indent: int, number: int) -> None:
        while self._subjects and self._subjects[-1][0] >= indent:
            self._subjects.pop()
        subject = self._subjects[-1][1] if self._subjects else None
        first = True
        for clause in _clauses(words, number):
            named = None if subject == EXPECT and clause[0].text in _EXPECTED else _subject(clause, number)
            if named:
                subject, clause = named, clause[1:]
            if subject is None:
                raise self._nobody(clause[0], number)
            if first:
                self._subjects.append((indent, subject))
                first = False
            self._steps.append(self._step(line, subject, clause, number))

    def _step(self, line: str, subject: str, clause: list[Word], number: int) -> Step:
        kind = _kind(subject)
        possible = [sentence for sentence in grammar.SENTENCES if kind in sentence.by]
        if not clause:
            raise _Wrong(number, len(line) + 1, f"what about `{subject}`? {_examples(possible)}")
        sentence, values = _matching(possible, clause, subject, number)
        text = line[clause[0].column - 1 : clause[-1].end]
        return Step(
            line=number,
            column=clause[0].column,
            kind=kind,
            by=subject,
            does=sentence.does,
            values=values,
            text=f"{subject} {text}",
        )

    def _nobody(self, word: Word, number: int) -> _Wrong:
        """A line that begins with neither who acts nor a known verb, or with a verb and nobody above."""
        if word.text in _VERBS:
            message = f"who? Write `+14155550100 {word.text} …`, or indent the line below one that says who"
        else:
            near = hint(word.text, {*_VERBS, *_SETTINGS, *(step.by for step in self._steps), EXPECT, NOBODY})
            if word.text.startswith("+"):
                near = "; a phone number is + and 5 to 15 digits"
            message = f"`{word.text}` is neither who acts nor what is done{near}"
        return _Wrong(number, word.column, message)

    # -- what can be seen only at the end

    def _whole(self) -> None:
        known = {step.by for step in self._steps if step.does in _REGISTERING}
        missing: dict[str, Step] = {}
        for step in self._steps:
            for name in _clients(step) - known:
                missing.setdefault(name, step)
        for name, step in missing.items():
            remedy = hint(name, known) or hint(name, {*_VERBS, *_SETTINGS, EXPECT, NOBODY})
            remedy = remedy or f"; write `{name} is registered` above, if it is a client"
            column = max(1, step.column - len(name) - 1) if name == step.by else step.column
            self._faults.append(
                Fault(line=step.line, column=column, message=f"nobody here is called `{name}`{remedy}")
            )
        if not self._steps and not self._faults:
            message = "nothing happens in this file; write for instance `+14155550100 calls +14155550199`"
            self._faults.append(Fault(line=1, column=1, message=message))
        if self._app and self._documents:
            message = "the app is at a URL, so a document here is never asked for; take out one of the two"
            self._faults.append(Fault(line=self._documents[0].line - 1, column=1, message=message))


class _Wrong(Exception):
    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(line=line, column=column, message=message)


def _is_setting(words: list[Word]) -> bool:
    """`app calls …` and `app texts …` are sentences."""
    first = words[0].text
    return first in _SETTINGS and not (first == APP and len(words) > 1 and words[1].text in _VERBS)


def _clauses(words: list[Word], number: int) -> list[list[Word]]:
    clauses: list[list[Word]] = [[]]
    for word in words:
        if word.text != ",":
            clauses[-1].append(word)
        elif clauses[-1]:
            clauses.append([])
        else:
            raise _Wrong(number, word.column, "between two commas something happens; take one out")
    if not clauses[-1]:
        raise _Wrong(number, words[-1].column, "a sentence follows a comma; take it out if none does")
    return clauses


def _subject(clause: list[Word], number: int) -> str | None:
    """Who acts, when the clause begins with it; else its first word is what is done, or a mistake."""
    first = clause[0]
    if first.quoted:
        raise _Wrong(number, first.column, f"what about this text? Write for instance `hears {first.text}`")
    if first.text in (EXPECT, NOBODY, APP) or NUMBER.fullmatch(first.text):
        return first.text
    if first.text in _VERBS:
        return None
    second = clause[1].text if len(clause) > 1 else ""
    looks_like_it = second in _VERBS or bool(hint(second, _VERBS))
    return first.text if looks_like_it and NAME.fullmatch(first.text) else None


def _clients(step: Step) -> set[str]:
    """Clients that the sentence is about; who is only called need not be there."""
    named = {step.by} if step.kind == CLIENT else set()
    other = step.values.get("END") if "hear" in step.does else step.values.get("from")
    if other and other != CALLER and not NUMBER.fullmatch(other):
        named.add(other)
    return named


def _kind(subject: str) -> str:
    if subject in (EXPECT, NOBODY, APP):
        return subject
    return PHONE if NUMBER.fullmatch(subject) else CLIENT


def _matching(
    possible: list[Sentence], words: list[Word], subject: str, number: int
) -> tuple[Sentence, dict[str, Any]]:
    """The sentence that these words are; else the fault of the one that they came nearest to."""
    nearest: list[Mismatch] = []
    for sentence in possible:
        try:
            return sentence, grammar.read(sentence.pattern, words)
        except Mismatch as mismatch:
            nearest.append(mismatch)
    at = max(mismatch.at for mismatch in nearest)
    if at == 0:
        wanted = hint(words[0].text, {sentence.pattern.split()[0] for sentence in possible})
        message = f"`{subject}` does not do `{words[0].text}`{wanted or f'; {_examples(possible)}'}"
        raise _Wrong(number, words[0].column, message)
    wanted = " or ".join(dict.fromkeys(one.wanted for one in nearest if one.at == at))
    before = " ".join(word.text for word in words[:at])
    if at < len(words):
        raise _Wrong(number, words[at].column, f"after `{before}`, not `{words[at].text}` but {wanted}")
    raise _Wrong(number, words[-1].end + 1, f"after `{before}` is missing: {wanted}")


def _examples(possible: list[Sentence]) -> str:
    verbs = dict.fromkeys(sentence.pattern.split()[0] for sentence in possible)
    return f"possible is {', '.join(verbs)}"


__all__ = ["CALLER", "ENDS", "Document", "Scenario", "Step", "parse"]
