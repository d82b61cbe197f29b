"""The scenario language: what a file means, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callrouter.scenario import grammar, reference
from callrouter.scenario.app import chosen
from callrouter.scenario.faults import Fault, WrongScenario
from callrouter.scenario.language import SLOW, Step, parse
from callrouter.scenario.pictures import steady
from callrouter.scenario.play import Player
from callrouter.scenario.testing import Callrouter, Client, Phone
from callrouter.scenario.values import EXPLAINED, READERS

ROOT = Path(__file__).parents[2]
MENU = """\
# A menu.
document /voice
  <Response>

    <Gather action="/chosen"/>
  </Response>
document /chosen when Digits=1 and From="+1 415"
  <Response/>
document /chosen fails with 503
number +14155550199 voice /voice status /told

alice is registered
+14155550100 calls +14155550199
  hears "Press \\"one\\", please" within 500ms
  alice rings, answers, hears the caller
  presses 1#
expect status completed, dial status no-answer
"""


def faults(text: str) -> list[str]:
    with pytest.raises(WrongScenario) as wrong:
        parse(text, "x")
    return str(wrong.value).splitlines()


def test_a_file_is_its_documents_numbers_and_sentences() -> None:
    read = parse(MENU, "menu")
    assert [(step.line, step.by, step.does) for step in read.steps] == [
        (12, "alice", "register"),
        (13, "+14155550100", "call"),
        (14, "+14155550100", "hears"),
        (15, "alice", "rings"),
        (15, "alice", "answer"),
        (15, "alice", "hears_end"),
        (16, "+14155550100", "press"),
        (17, "expect", "expect_status"),
        (17, "expect", "expect_dial"),
    ]
    assert read.steps[2].values == {"TEXT": 'Press "one", please', "within": 0.5}
    assert read.steps[5].text == "alice hears the caller"
    assert read.numbers == {"+14155550199": {"voice": "/voice", "status": "/told"}}
    assert read.documents[0].body == '<Response>\n\n  <Gather action="/chosen"/>\n</Response>'
    assert read.documents[0].line == 3


def test_the_first_document_that_fits_answers() -> None:
    documents = parse(MENU, "menu").documents
    with_digit = {"Digits": "1", "From": "+1 415", "To": "x"}
    assert chosen(documents, "/chosen", with_digit) is documents[1]
    assert chosen(documents, "/chosen", {"Digits": "1"}) is documents[2]
    assert documents[2].status == 503
    assert chosen(documents, "/other", {}) is None


def test_documents_may_be_late() -> None:
    call = "\n+14155550100 calls +14155550199\n"
    assert parse("document /v answers after 2s\n <Response/>" + call).documents[0].after == 2
    assert parse("document /v is slow" + call).documents[0].after == SLOW


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "x:1:1: nothing happens in this file; write for instance `+14155550100 calls +14155550199`"),
        (
            "+1415 calls +14155550199",
            "x:1:1: `+1415` is neither who acts nor what is done; a phone number is",
        ),
        ("+14155550100 calls alice", "x:1:20: after `calls`, not `alice` but a phone number such as"),
        ("+14155550100 heers", "x:1:14: `+14155550100` does not do `heers`; did you mean `hears`?"),
        (
            "presses 1",
            "x:1:1: who? Write `+14155550100 presses …`, or indent the line below one that says who",
        ),
        ("+14155550100 presses one", "x:1:22: after `presses`, not `one` but keys such as 1 or 2580#"),
        ("+14155550100 hears", "x:1:19: after `hears` is missing: a text in quotation marks"),
        ('+14155550100 hears "x', 'x:1:20: this " is not closed by another'),
        ("+14155550100 hears ٣٣٣ Hz", "x:1:20: after `hears`, not `٣٣٣` but"),
        ("+14155550100 rings withn 5s", "did you mean `within`?"),
        ("+14155550100 rings within 5", "x:1:27: after `rings within`, not `5` but a time such as 5s"),
        ("+14155550100 rings within 99999s", "a time of an hour at most"),
        ("+14155550100 answers,", "x:1:21: a sentence follows a comma; take it out if none does"),
        ("+14155550100 rings,, answers", "x:1:20: between two commas something happens; take one out"),
        (
            "alice rings",
            "x:1:1: nobody here is called `alice`; write `alice is registered` above, if it is a client",
        ),
        ("alice is registered\nalise rings", "x:2:1: nobody here is called `alise`; did you mean `alice`?"),
        (
            "alice is registered\nalice hears alise",
            "x:2:7: nobody here is called `alise`; did you mean `alice`?",
        ),
        ("expect status complete", "did you mean `completed`?"),
        ("expect alert 1", "a code of five digits, such as 11200"),
        ("docment /voice", "x:1:1: `docment` is neither who acts nor what is done; did you mean `document`?"),
        ("document voice\n <Response/>", "x:1:10: after `document`, not `voice` but a path of the app"),
        (
            "document /voice\n+14155550100 calls +14155550199",
            "x:1:1: a document needs its TwiML in the lines below",
        ),
        ("document /v fails with 500\n <Response/>", "x:2:1: a document that fails has no lines of its own"),
        (
            "app http://127.0.0.1:1\ndocument /v is slow\n",
            "the app is at a URL, so a document here is never asked",
        ),
        ('"Hello"', 'x:1:1: what about this text? Write for instance `hears "Hello"`'),
        ("+14155550100", "x:1:13: what about `+14155550100`? possible is"),
        ("\0", "a scenario is a text of at most 256 kB"),
    ],
    ids=lambda value: value[:24] if value.startswith("x:") else None,
)
def test_a_fault_names_place_and_remedy(text: str, fault: str) -> None:
    assert any(fault in line for line in faults(text)), faults(text)


def test_all_faults_are_told_together() -> None:
    lines = faults("+14155550100 heers\n\nfrob\n  presses 1,\n")
    assert [line.split(":")[1] for line in lines] == ["1", "3", "4"]


_WORDS = sorted({word for one in grammar.SENTENCES for word in one.pattern.strip("[]").split()})
_PIECES = st.sampled_from(
    [
        *_WORDS,
        "+14155550100",
        "alice",
        '"text"',
        '"',
        ",",
        "5s",
        "12#",
        "/voice",
        "document",
        "A=1",
        " ",
        "\t",
        "é",
    ]
)


@given(st.lists(st.lists(_PIECES, max_size=8).map(" ".join), max_size=6).map("\n".join) | st.text())
def test_any_text_is_read_or_refused_with_its_places(text: str) -> None:
    found: list[Fault] = []
    steps: tuple[Step, ...] = ()
    try:
        steps = parse(text, "x").steps
    except WrongScenario as wrong:
        found = wrong.faults
    assert bool(steps) != bool(found)
    assert all(1 <= fault.line <= text.count("\n") + 2 and fault.column >= 1 for fault in found)


@pytest.mark.parametrize("sentence", grammar.SENTENCES, ids=lambda one: f"{one.by[0]}-{one.pattern}")
def test_each_sentence_can_be_written_and_is_played(sentence: grammar.Sentence) -> None:
    examples = {
        "TEXT": '"Hello"',
        "TIME": "5s",
        "NUMBER": "+14155550199",
        "END": "alice",
        "KEYS": "1#",
        "PATH": "/voice",
        "HZ": "440",
        "CODE": "11200",
        "PAIR": "Digits=1",
        "WORD": "away",
        "STATUS": "completed",
        "DELIVERY": "delivered",
        "CALLBACK": "completed",
    }
    whole = sentence.pattern.replace("[", "").replace("]", "")
    subject = {grammar.PHONE: "+14155550100", grammar.CLIENT: "alice"}
    for pattern in (whole, sentence.pattern):
        words = " ".join(examples.get(word, word) for word in without_brackets(pattern).split())
        for by in sentence.by:
            read = parse(f"alice is registered\n{subject.get(by, by)} {words}\n")
            assert read.steps[-1].does == sentence.does
    assert callable(getattr(Player, sentence.does))


def without_brackets(pattern: str) -> str:
    kept, depth = [], 0
    for letter in pattern:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if not depth and letter != "]":
            kept.append(letter)
    return "".join(kept)


def test_the_reference_page_is_what_the_code_makes() -> None:
    page = (ROOT / "docs" / "reference" / "scenarios.md").read_text()
    assert page == reference.page(), "run `make docs`"
    assert all(one.pattern in page for one in (*grammar.SENTENCES, *grammar.SETTINGS))
    assert set(EXPLAINED) == set(READERS)


@pytest.mark.parametrize("page", ["scenarios.md", "test-your-app.md"])
def test_scenarios_in_the_docs_can_be_read(page: str) -> None:
    text = (ROOT / "docs" / "how-to" / page).read_text()
    blocks = [block.partition("```")[0] for block in text.split("```scenario\n")[1:]]
    assert blocks
    for block in blocks:
        assert parse(block, page).steps


def test_scenario_files_of_the_repository_can_be_read() -> None:
    files = [*ROOT.glob("examples/**/*.scenario"), *ROOT.glob("docs/**/*.scenario")]
    assert files
    for file in files:
        assert parse(file.read_text(), str(file)).steps


def test_every_method_for_tests_is_on_its_page() -> None:
    page = (ROOT / "docs" / "how-to" / "test-your-app.md").read_text()
    ours = {name.removeprefix("expect_") for cls in (Callrouter, Phone, Client) for name in methods(cls)}
    assert {
        name
        for name in ours - {"close", "ladders", "name"}
        if f"`{name}" not in page.replace("callrouter.", "")
    } == set()


def methods(cls: type) -> set[str]:
    return {name for each in cls.__mro__[:-1] for name in vars(each) if not name.startswith("_")}


def test_a_picture_has_nothing_that_differs_each_time() -> None:
    drawn = f"p1->>p0: 0.128 s POST http://127.0.0.1:43257/voice\np0->>p1: 12.000 s leg CA{'0' * 32}\n"
    assert steady(drawn) == "p1->>p0: POST /voice\np0->>p1: leg CA…\n"
