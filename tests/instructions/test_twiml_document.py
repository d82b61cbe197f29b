"""Bodies that become documents, and bodies that must not (twilio-surface 1.1, 1.2, 7.1; reliability-security
4.3).
"""

from __future__ import annotations

import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructions.document import MAX_BYTES, Document, parse
from instructions.errors import CATALOGUE, DocumentError
from instructions.verbs.dial import Dial
from instructions.verbs.dial_nouns import Client


def fault(body: bytes | str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        parse(body.encode() if isinstance(body, str) else body)
    assert caught.value.code in CATALOGUE
    return caught.value


def warnings(twiml: str) -> list[tuple[int, int]]:
    return [
        (problem.code, problem.line) for problem in parse(f"<Response>{twiml}</Response>".encode()).warnings
    ]


LAUGHS = (
    '<!DOCTYPE Response [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    + "]><Response><Say>&j;</Say></Response>"
)

BROKEN = {
    "not XML": ("hello", 12100),
    "not closed": ("<Response><Say>Hi</Response>", 12100),
    "two roots": ("<Response/><Response/>", 12100),
    "junk after the root": ("<Response/>junk", 12100),
    "blank before the declaration": (' <?xml version="1.0"?><Response/>', 12100),
    "undefined entity": ("<Response><Say>Hi &nbsp;</Say></Response>", 12100),
    "control character": ("<Response><Say>\x01</Say></Response>", 12100),
    "null reference": ("<Response><Say>&#0;</Say></Response>", 12100),
    "attribute twice": ('<Response><Say loop="1" loop="2"/></Response>', 12100),
    "attribute without quotes": ("<Response><Say loop=1/></Response>", 12100),
    "bare ampersand": ('<Response><Dial action="/a?b=1&c=2"/></Response>', 12100),
    "unknown encoding": ('<?xml version="1.0" encoding="x-none"?><Response/>', 12100),
    "Latin-1 called UTF-8": ("<Response><Say>é</Say></Response>".encode("latin-1"), 12100),
    "says UTF-16, is not": ('<?xml version="1.0" encoding="UTF-16"?><Response/>', 12100),
    "UTF-16 without a mark": ("<Response/>".encode("utf-16-le"), 12100),
    "empty DTD": ("<!DOCTYPE Response><Response/>", 12100),
    "internal entity": (
        '<!DOCTYPE Response [<!ENTITY n "x">]><Response><Say>Hi &n;, welcome</Say></Response>',
        12100,
    ),
    "external file": (
        '<!DOCTYPE Response [<!ENTITY n SYSTEM "file:///etc/passwd">]><Response><Say>&n;</Say></Response>',
        12100,
    ),
    "external DTD": ('<!DOCTYPE Response SYSTEM "http://127.0.0.1:9/x.dtd"><Response/>', 12100),
    "parameter entity": (
        '<!DOCTYPE Response [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p">%p;]><Response/>',
        12100,
    ),
    "defaulted attribute": (
        '<!DOCTYPE Response [<!ATTLIST Dial action CDATA "http://evil.test/">]><Response><Dial>+15550100</Dial></Response>',
        12100,
    ),
    "billion laughs": (LAUGHS, 12100),
    "too deep": ("<Response>" + "<Gather>" * 32 + "</Gather>" * 32 + "</Response>", 12100),
    "far too deep": ("<Response>" + "<a>" * 5000 + "</a>" * 5000 + "</Response>", 12100),
    "too many verbs": ("<Response>" + "<Pause/>" * 1001 + "</Response>", 12100),
    "version 1.1": ('<?xml version="1.1"?><Response/>', 12101),
    "version 2.0": ('<?xml version="2.0"?><Response/>', 12101),
    "no version": ('<?xml encoding="UTF-8"?><Response/>', 12101),
    "lower-case root": ("<response/>", 12102),
    "another root": ("<html><body/></html>", 12102),
    "a namespace": ('<Response xmlns="urn:x"/>', 12102),
    "nothing": ("", 11770),
    "only blanks": (" \r\n\t", 11770),
    "only a mark": ("\ufeff", 11770),
    "1 MB": (b"<Response>" + b" " * 1_000_000 + b"</Response>", 11750),
    "one byte too large": (b"<Response>" + b" " * (MAX_BYTES - 20) + b"</Response>", 11750),
}


@pytest.mark.parametrize(("body", "code"), BROKEN.values(), ids=BROKEN)
def test_a_broken_document_is_refused_with_twilios_code(body: bytes | str, code: int) -> None:
    assert fault(body).code == code


@pytest.mark.parametrize("body", [body for body, _ in BROKEN.values()], ids=BROKEN)
def test_a_hostile_document_costs_little(body: bytes | str) -> None:
    """M6: no expansion and no fetch. The bounds are generous; an expansion would miss them by orders of
    magnitude.
    """
    tracemalloc.start()
    began = time.process_time()
    fault(body)
    spent, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert spent < 2
    assert peak < 16_000_000


ENCODINGS = [
    "utf-7",
    "utf-8",
    "utf-16",
    "utf-32",
    "cp037",
    "iso-2022-jp",
    "hz",
    "shift_jis",
    "ascii",
    "latin-1",
]


@given(
    declared=st.sampled_from([*ENCODINGS, "x", ""]),
    written=st.sampled_from(ENCODINGS),
    text=st.text(max_size=10),
    damage=st.lists(st.tuples(st.integers(0, 90), st.binary(max_size=3)), max_size=3),
)
def test_damaged_bytes_in_any_encoding_are_a_document_or_a_document_error(
    declared: str, written: str, text: str, damage: list[tuple[int, bytes]]
) -> None:
    whole = f'<?xml version="1.0" encoding="{declared}"?><Response><Dial timeout="9">{text}</Dial></Response>'
    body = whole.encode(written, "replace")
    for place, junk in damage:
        body = body[:place] + junk + body[place + len(junk) :]
    with suppress(DocumentError):  # anything else fails the test
        parse(body)


def test_an_external_entity_is_not_read(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("secret")
    refused = fault(
        f'<!DOCTYPE Response [<!ENTITY n SYSTEM "{canary.as_uri()}">]><Response><Say>&n;</Say></Response>'
    )
    assert "secret" not in str(refused)


def test_a_fault_names_the_line_and_says_what_is_wrong() -> None:
    refused = fault("<Response>\n  <Say>Hi</Sy>\n</Response>")
    assert refused.line == 2
    assert str(refused).startswith("12100: ")
    assert str(refused).endswith("(line 2)")


def test_what_is_just_small_enough_runs() -> None:
    """11750 begins above 64 kB."""
    for size in (64_000, MAX_BYTES):
        body = b"<Response>" + b" " * (size - 21) + b"</Response>"
        assert parse(body) == Document(verbs=(), warnings=())
    assert len(parse(b"<Response>" + b"<Pause/>" * 1000 + b"</Response>").verbs) == 1000


ENCODED = {
    "UTF-8 by default": "<Response><Say>Grüße 你好</Say></Response>".encode(),
    "UTF-8 with a mark": "\ufeff<Response><Say>Grüße 你好</Say></Response>".encode(),
    "UTF-16": '<?xml version="1.0" encoding="UTF-16"?><Response><Say>Grüße 你好</Say></Response>'.encode(
        "utf-16"
    ),
    "ASCII with references": b"<Response><Say>Gr&#252;&#xDF;e &#20320;&#22909;</Say></Response>",
    "CDATA and a comment": "<Response><Say><![CDATA[Grüße]]> <!-- x -->你好</Say></Response>".encode(),
    "an instruction": "<?x y?><Response><Say>Grüße 你<?x y?>好</Say></Response>".encode(),
}


@pytest.mark.parametrize("body", ENCODED.values(), ids=ENCODED)
def test_the_declared_encoding_is_honoured(body: bytes) -> None:
    assert [verb.text for verb in parse(body).verbs] == ["Grüße 你好"]


WARNED = {
    "unknown verb": ("<Shout/>", [(12200, 1)]),
    "wrong case": ("<say>Hi</say>", [(12200, 1)]),
    "line": ("\n\n<Shout/>", [(12200, 3)]),
    "unknown attribute": ('<Say volume="9">Hi</Say>', [(12200, 1)]),
    "a namespace's attribute": ('<Say xmlns:x="urn:x" x:loop="2">Hi</Say>', [(12200, 1)]),
    "xml:base is ignored": ('<Say xml:base="http://evil.test/">Hi</Say>', []),
    "text between verbs": ("Hello <Say>Hi</Say> there", []),
    "in Dial": ("<Dial><Say>Hi</Say></Dial>", [(13215, 1)]),
    "in Gather": ("<Gather><Record/></Gather>", [(13320, 1)]),
    "in Start": ("<Start><Room>x</Room></Start>", [(14300, 1)]),
    "in Client": ("<Dial><Client><Number>1</Number></Client></Dial>", [(12200, 1)]),
    "in Say": ("<Say>Hi <Play>x</Play></Say>", [(12200, 1)]),
    "in Pause": ("<Pause><Say>x</Say></Pause>", [(12200, 1)]),
    "bad number": ("<Dial>ring bob</Dial>", [(13223, 1)]),
    "full-width digits": ("<Dial>\uff11\uff12\uff13\uff14</Dial>", [(13223, 1)]),
    "bad identity": ("<Dial><Client>a b</Client></Dial>", [(12200, 1)]),
    "long identity": (f"<Dial><Client>{'a' * 257}</Client></Dial>", [(12200, 1)]),
    "bad target": ("<Redirect>ftp://x/</Redirect>", [(11100, 1)]),
    "conference and number": (
        "<Dial><Conference>r</Conference><Number>+15550100</Number></Dial>",
        [(13000, 1)],
    ),
    "a verb's bad value": ('<Dial timeout="soon">+15550100</Dial>', [(13212, 1)]),
}


@pytest.mark.parametrize(("twiml", "expected"), WARNED.values(), ids=WARNED)
def test_what_is_wrong_but_runs_is_warned_about(twiml: str, expected: list[tuple[int, int]]) -> None:
    assert warnings(twiml) == expected


def test_a_warning_says_what_was_probably_meant() -> None:
    (problem,) = parse(b"<Response><Dail>+15550100</Dail></Response>").warnings
    assert problem.message == "<Dail> is not a verb; did you mean Dial?"


def test_at_most_ten_warnings_a_document_and_a_flood_is_cheap() -> None:
    """A thousand unknown names of 60 kB must not buy a thousand searches for what was meant."""
    flood = "".join(f"<V{n:04}{'x' * 40}/>" for n in range(1000))
    began = time.process_time()
    assert len(warnings(flood)) == 10
    assert time.process_time() - began < 2


def test_a_number_keeps_its_digits_only() -> None:
    (dial,) = parse(b"<Response><Dial> +1 (555) 010-0123 </Dial></Response>").verbs
    assert dial.text == "+15550100123"


def test_identity_and_parameters_are_children() -> None:
    body = b"""<Response><Dial><Client>
        <Identity>alice</Identity><Parameter name="k" value="v&amp;w"/><Parameter value="unnamed"/>
    </Client></Dial></Response>"""
    (dial,) = parse(body).verbs
    assert isinstance(dial, Dial)
    (client,) = dial.nouns()
    assert isinstance(client, Client)
    target = client.target()
    assert target is not None
    assert (target.identity, target.parameters) == ("alice", (("k", "v&w"),))
