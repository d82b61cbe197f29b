"""Numbers come from CSV files and go to them; calls and messages go to files. Nothing in a file is trusted."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cli_world import Run, invoke
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from callrouter import models
from callrouter.cli import number_file
from callrouter.cli.exports import CALLS, PAGE, rows
from callrouter.cli.tables import Format, lines, quoted, unquoted

HEAD = "phone_number,friendly_name,voice_url,carrier\n"


def _import(run: Run, file: Path, text: str | bytes, *options: str, exit_code: int = 0) -> Any:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    result = invoke("import", "numbers", str(file), *options, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout) if result.stdout else result.stderr


def test_what_was_exported_is_imported_again(run: Run, tmp_path: Path) -> None:
    run("account", "create", "Acme")
    run(
        "number",
        "create",
        "+12125550123",
        "--name",
        "=cmd|' /C calc'!A0",
        "--voice-url",
        "http://a.example/v?x=1",
    )
    run(
        "number",
        "create",
        "+12125550124",
        "--name",
        "Zoë, \"sales\"; 'first'",
        "--sms-url",
        "http://a.example/s",
    )
    text = invoke("export", "numbers").stdout
    assert "'=cmd" in text, "no spreadsheet runs it"
    assert "\n+12125550124," in text.replace("\r", ""), "a number is no formula"
    before = run("export", "account")
    again = _import(run, tmp_path / "same.csv", text)
    assert (again["unchanged"], again["created"], again["changed"]) == (2, 0, 0)
    for number in ("+12125550123", "+12125550124"):
        run("number", "delete", number)
    assert _import(run, tmp_path / "again.csv", text)["created"] == 2
    volatile = {"sid", "date_created", "date_updated"}
    kept = [
        [{name: each for name, each in one.items() if name not in volatile} for one in document["numbers"]]
        for document in (before, run("export", "account"))
    ]
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("encoding", "separator"), [("utf-8", ","), ("utf-8-sig", ";"), ("utf-16", "\t"), ("cp1252", ";")]
)
def test_files_of_spreadsheets_are_read(run: Run, tmp_path: Path, encoding: str, separator: str) -> None:
    run("account", "create", "Acme")
    name = f"Zoë{separator.strip()}x"
    text = HEAD.replace(",", separator) + f'+12125550123{separator}"{name}"{separator}{separator}\r\n'
    options = ("--encoding", encoding) if encoding == "cp1252" else ()
    assert _import(run, tmp_path / "n.csv", text.encode(encoding), *options)["created"] == 1
    assert run("number", "list")[0]["friendly_name"] == name


def test_bad_lines_are_named_and_the_good_ones_taken(run: Run, tmp_path: Path) -> None:
    run("account", "create", "Acme")
    other = run("account", "create", "Other")["account_sid"]
    run("number", "create", "+12125550199", "--account", other)
    mine = run("account", "list")[0]["account_sid"]
    text = HEAD + (
        "+12125550121,One,http://a.example/,\n"
        "2125550122,,,\n"
        "\n"
        '+12125550123,"two\nlines",,\n'
        "+12125550124,,ftp://x,\n"
        "+12125550125,,,nobody\n"
        "+12125550121,,,\n"
        "+12125550126,a,b,c,d\n"
        "+12125550199,,,\n"
        "+12125550127,Last,,\n"
    )
    file, report = tmp_path / "n.csv", tmp_path / "report.csv"
    options = ("--account", mine, "--report", str(report))
    rehearsed = _import(run, file, text, *options, "--dry-run", exit_code=1)
    assert run("number", "list", "--account", mine) == [], "nothing was done"
    done = _import(run, file, text, *options, exit_code=1)
    assert {**rehearsed, "dry_run": False} == done, "a rehearsal says what will be"
    assert (done["created"], done["refused"]) == (2, 7)
    assert [(one["line"], one["column"]) for one in done["faults"]] == [
        (3, "phone_number"),
        (5, "friendly_name"),
        (7, "voice_url"),
        (8, "carrier"),
        (9, "phone_number"),
        (10, ""),
        (11, "phone_number"),
    ]
    assert all(one["reason"] and one["remedy"] for one in done["faults"])
    with report.open(newline="") as written:
        assert [int(row["line"]) for row in csv.DictReader(written)] == [3, 5, 7, 8, 9, 10, 11]
    names = [one["friendly_name"] for one in run("number", "list", "--account", mine)]
    assert names == ["One", "Last"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "phone_number"),
        (b"number\n+12125550123\n", "phone_number"),
        (b"phone_number,voice_ulr\n", "did you mean voice_url?"),
        (b"phone_number,phone_number\n", "twice"),
        (b"\x00\x01\x02\xff\xfe", "line 1"),
    ],
    ids=["empty", "no-column", "near-miss", "twice", "binary"],
)
def test_a_wrong_header_ends_it(run: Run, tmp_path: Path, text: bytes, says: str) -> None:
    run("account", "create", "Acme")
    message = _import(run, tmp_path / "n.csv", text, exit_code=1)
    assert says in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("rest", "remedy"),
    [(b'"open\n', "quotation mark"), (b"+12125550124,\xff\n", "--encoding")],
    ids=["quote", "encoding"],
)
def test_what_can_not_be_read_on_is_said(tmp_path: Path, rest: bytes, remedy: str) -> None:
    file = tmp_path / "n.csv"
    padding = b"".join(
        b"+1212555%04d,\n" % number for number in range(1000)
    )  # more than is decoded at a time
    file.write_bytes(b"phone_number,voice_url\n" + padding + rest)
    with number_file.NumberFile(file, None) as read:
        *good, last = read
    assert isinstance(last, number_file.Fault)
    assert remedy in last.remedy
    assert len(good) > 0


@given(st.text())
def test_quoting_is_taken_off_again(text: str) -> None:
    assert unquoted(quoted(text)) == text
    assert quoted(text)[:1] not in ("=", "@", "\t", "\r")
    assert quoted(text)[:1] not in ("+", "-") or re.fullmatch(
        r"[+-][0-9]+(\.[0-9]+)?", quoted(text), re.ASCII
    )


def test_tables_of_each_kind() -> None:
    made = {each: "".join(lines([{"a": 1, "b": None}], ["a", "b"], each)) for each in Format}
    assert made[Format.CSV] == "a,b\r\n1,\r\n"
    assert json.loads(made[Format.JSON]) == [json.loads(made[Format.NDJSON])] == [{"a": 1, "b": None}]
    assert json.loads("".join(lines([], ["a"], Format.JSON))) == []


def test_calls_are_exported_page_by_page(run: Run, tmp_path: Path) -> None:
    """Pages follow each other by moment and SID, so rows of one moment are neither lost nor given twice."""
    from callrouter.cli.deployment import Deployment

    owner = run("account", "create", "Acme")["account_sid"]
    deployment = Deployment()
    count = 2 * PAGE + 1
    common = {"account_sid": owner, "from": "+1", "to": "+2", "direction": "inbound", "status": "completed"}
    found = [
        {**common, "sid": f"CA{number:032x}", "date_created": float(number // 700), "date_updated": 0.0}
        for number in range(count)
    ]
    deployment.write(lambda c: c.execute(insert(models.Call.__table__), found))
    sids = [row["sid"] for row in rows(deployment, CALLS, owner)]
    deployment.close()
    assert sids == sorted(one["sid"] for one in found)
    text = invoke("export", "calls", "--ndjson", "--since", "1970-01-01T00:00:02Z").stdout
    assert len(text.splitlines()) == count - 2 * 700
    assert "no moment" in invoke("export", "calls", "--since", "yesterday").stderr
