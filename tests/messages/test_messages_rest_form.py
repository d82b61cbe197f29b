"""What POST on Messages makes of a form: every spelling of a number, and whatever else comes (issue 5, bad input)."""

import re
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from werkzeug.datastructures import MultiDict

from callrouter.api.message_create import SETTINGS, submission
from callrouter.directory.errors import Refused
from callrouter.messages.submission import Submission
from foundation.sids import MESSAGING_SERVICE, new_sid
from foundation.webserver.errors import ApiError

NOW, PHONE, OWN = 1_800_000_000.0, "+14155550123", "+12125550123"
NO_DATABASE = cast(Connection, None)
"""Only an ApplicationSid is looked up."""


def wanted(**form: str) -> Submission:
    return submission(NO_DATABASE, "AC", MultiDict({"To": PHONE, "From": OWN, "Body": "hello", **form}), NOW)


def code(**form: str) -> int:
    with pytest.raises((ApiError, Refused)) as refused:
        wanted(**form)
    return int(refused.value.code)


@pytest.mark.parametrize(
    "written",
    [
        PHONE,
        "+1 415 555 0123",
        "+1 (415) 555-0123",
        "+1-415-555-0123",
        "+1.415.555.0123",
        "(+1) 4155550123",
        " +14155550123 ",
    ],
)
def test_a_number_with_the_usual_separators(written: str) -> None:
    assert wanted(To=written).to == PHONE
    assert wanted(To=OWN, From=written).from_ == PHONE


@pytest.mark.parametrize(
    "written",
    [
        *(
            "4155550123",
            "14155550123",
            "0014155550123",
            "011 1 415 555 0123",
            "1-800-FLOWERS",
            "+1800FLOWERS",
        ),
        *(
            "+",
            "+1",
            "+12",
            "+1415",
            "+141555501234567",
            "+0155550123",
            "+0",
            "++14155550123",
            "+1+4155550123",
        ),
        *("+14155550123,", "+14155550123;", "+14155550123/2", "+14155550123x12", "+14155550123 ext. 12"),
        *("+14155550123#", "*14155550123", "tel:+14155550123", "sms:+14155550123", "sip:a@b.example"),
        *("whatsapp:+14155550123", "messenger:1", "+1415555o123", "+1415555l123", "+1415_555_0123"),
        *("\uff0b14155550123", "+\uff11\uff14155550123", "+1415555012\u0663", "\u202a+14155550123\u202c"),
        *(
            "+1\u00a0415\u00a0555\u00a00123",
            "+1\u2011415\u20115550123",
            "\u200b+14155550123",
            "+1\t4155550123",
        ),
        *(
            "+14155550123\n",
            "null",
            "None",
            "undefined",
            "[object Object]",
            "+14155550123,+14155550124",
            "12345",
        ),
        *("+99914155550", "+1 (415", "client:", "client:a b", "client:" + "x" * 257, "CLIENT:alice"),
    ],
)
def test_what_is_no_number(written: str) -> None:
    """reliability-security M12: nothing is guessed; the rest of the world's digits and signs are not ours."""
    assert code(To=written) == 21211
    if written not in ("12345", "null", "None", "undefined"):  # those may be short codes and names
        assert code(From=written) in (21212, 21603)


@pytest.mark.parametrize(
    ("written", "sender"), [("12345", "12345"), ("Acme", "Acme"), ("A & B-2_+", "A & B-2_+")]
)
def test_senders_that_are_no_numbers(written: str, sender: str) -> None:
    assert wanted(From=written).from_ == sender


def test_a_service_in_from_and_beside_it() -> None:
    service, other = new_sid(MESSAGING_SERVICE), new_sid(MESSAGING_SERVICE)
    made = wanted(From=service)
    assert (made.from_, made.messaging_service_sid) == ("", service)
    made = wanted(MessagingServiceSid=service)
    assert (made.from_, made.messaging_service_sid) == (OWN, service)
    assert wanted(From=service, MessagingServiceSid=other).messaging_service_sid == other


def test_what_becomes_of_a_message_to_a_client_who_is_not_there() -> None:
    """PR-73, PR-74: parameters of our own."""
    made = wanted(To="client:alice", Otherwise="+1 (415) 555-0123", MediaRequired="true")
    assert (made.otherwise, made.media_required) == (PHONE, True)
    assert [wanted(Otherwise=one).otherwise for one in ("hold", "tell")] == ["hold", "tell"]
    assert (wanted().otherwise, wanted().media_required) == (None, False)
    assert code(Otherwise="somebody") == 20001


def outcome(form: dict[str, str]) -> Submission | int:
    """The message, or the code with which it is refused."""
    try:
        return submission(NO_DATABASE, "AC", MultiDict(form), NOW)
    except (ApiError, Refused) as refused:
        return refused.code


LIKELY = {
    "To": (PHONE, "client:alice"),
    "From": (OWN, "12345", "Acme", new_sid(MESSAGING_SERVICE)),
    "MessagingServiceSid": (new_sid(MESSAGING_SERVICE),),
    "ScheduleType": ("fixed", ""),
    "SendAt": ("2027-01-16T00:00:00Z",),
    "ValidityPeriod": ("60",),
    "SmartEncoded": ("true",),
}
FORMS = st.fixed_dictionaries(
    {},
    optional={
        one.name: st.sampled_from(LIKELY.get(one.name, ("",))) | st.text(max_size=40)
        for one in SETTINGS
        if one.name != "ApplicationSid"
    },
)


@given(FORMS)
def test_any_form_is_a_message_or_refused_with_a_code(form: dict[str, str]) -> None:
    made = outcome(form)
    if isinstance(made, int):
        assert 20_000 < made < 36_000
    else:
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}|client:.+", made.to)
        assert made.from_ or made.messaging_service_sid
        assert made.body.strip()


@given(st.text(max_size=30) | st.text("+0123456789 ().-", max_size=20))
def test_any_recipient_is_a_number_a_client_or_refused(written: str) -> None:
    made = outcome({"To": written, "From": OWN, "Body": "hello"})
    if isinstance(made, int):
        assert made in (20001, 21211, 21604, 21266)
    else:
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}|client:[^\s]+", made.to)
