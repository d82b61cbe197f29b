"""Files through the service, from an origin that is scripted: freshness, one fetch for many, tenants, faults."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from media_world import ACCOUNT, OTHER, Media, answer, code, media, tone

from callrouter.audio.ear import dominant_hz
from callrouter.voice.media.g711 import decode
from tests.support.origin import CLOSE, HANG, RESET, Origin, Received, Script, endless, redirect

LOW, HIGH = tone(hz=400), tone(hz=900)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Media]:
    with media(tmp_path) as running:
        yield running


class File:
    """A file at an origin, which may change, vanish or fail; it knows what `If-None-Match` means."""

    def __init__(self, *lines: str) -> None:
        self.lines, self.body, self.etag, self.status = lines, LOW, "", 200

    def __call__(self, request: Received) -> Script:
        tag = [f'ETag: "{self.etag}"'] if self.etag else []
        if self.status != 200:
            return answer(b"out of order", status=self.status, type="text/plain")
        if self.etag and request.headers.get("if-none-match") == f'"{self.etag}"':
            return ["\r\n".join(["HTTP/1.1 304 Same", *tag, *self.lines, "", ""]).encode()]
        return answer(self.body, *tag, *self.lines)


def hz(response: requests.Response) -> float:
    assert response.status_code == 200, response.text
    found = dominant_hz(decode(response.content))
    assert found is not None
    return round(found, -2)


def test_md_3_a_file_comes_as_telephony_sound(service: Media) -> None:
    with Origin({"/a.wav": answer(tone(rate=44_100, seconds=1.0, channels=2))}) as origin:
        got = service.file(origin.url("/a.wav"))
    assert got.headers["Content-Type"] == "audio/basic"
    assert len(got.content) == 8_000
    assert hz(got) == 400


def test_md_1_only_our_own_servers_may_ask(service: Media) -> None:
    refused = requests.get(f"{service.url}/v1/Accounts/{ACCOUNT}/files?url=http://a.example/", timeout=5)
    assert code(refused) == (401, 20003)
    refused = requests.put(f"{service.url}/v1/Accounts/{ACCOUNT}/recordings/RE1", data=b"x", timeout=5)
    assert code(refused) == (401, 20003)
    assert code(service.file("http://a.example/", account="ACx")) == (404, 20404)


@pytest.mark.parametrize(
    ("lines", "etag", "after", "fetches", "heard"),
    [
        pytest.param(["Cache-Control: max-age=60"], "", 59, 1, 400, id="fresh"),
        pytest.param(["Cache-Control: max-age=60"], "", 61, 2, 900, id="no longer fresh"),
        pytest.param(["Cache-Control: private, max-age=60"], "", 59, 1, 400, id="private to the account"),
        pytest.param(["Cache-Control: max-age=60, s-maxage=10"], "", 30, 2, 900, id="s-maxage first"),
        pytest.param(["Cache-Control: no-store"], "", 1, 2, 900, id="no-store"),
        pytest.param(["Cache-Control: no-cache"], "1", 1, 2, 900, id="no-cache asks"),
        pytest.param(["Expires: Thu, 01 Jan 2099 00:00:00 GMT"], "", 3600, 1, 400, id="Expires"),
        pytest.param(["Expires: 0"], "", 1, 2, 900, id="expired"),
        pytest.param([], "1", 1, 2, 900, id="validators alone: asks each time"),
        pytest.param([], "", 1, 2, 900, id="nothing said: fetched each time"),
        pytest.param(["Vary: *", "Cache-Control: max-age=60"], "", 1, 2, 900, id="Vary: *"),
    ],
)
def test_md_4_who_is_heard_after_the_file_has_changed(
    service: Media, lines: list[str], etag: str, after: float, fetches: int, heard: float
) -> None:
    file = File(*lines)
    file.etag = etag
    with Origin({"/a": file}) as origin:
        assert hz(service.file(origin.url("/a"))) == 400
        file.body, file.etag = HIGH, etag and "2"
        service.time.pass_(after)
        assert hz(service.file(origin.url("/a"))) == heard
    assert len(origin.received) == fetches


def test_md_4_a_304_is_a_new_lease_without_a_new_conversion(service: Media) -> None:
    file = File("Cache-Control: max-age=60")
    file.etag = "1"
    with Origin({"/a": file}) as origin:
        first = service.file(origin.url("/a"))
        service.time.pass_(61)
        second = service.file(origin.url("/a"))
        service.time.pass_(59)
        third = service.file(origin.url("/a"))
    assert [one.headers["X-Cache"] for one in (first, second, third)] == ["miss", "revalidated", "hit"]
    assert first.content == second.content == third.content
    assert "if-none-match" not in origin.received[0].headers
    assert origin.received[1].headers["if-none-match"] == '"1"'


def test_md_4_last_modified_is_asked_with(service: Media) -> None:
    when = "Sun, 06 Nov 2022 08:49:37 GMT"
    with Origin({"/a": answer(LOW, f"Last-Modified: {when}")}) as origin:
        service.file(origin.url("/a"))
        service.time.pass_(1)
        service.file(origin.url("/a"))
    assert origin.received[1].headers["if-modified-since"] == when


@pytest.mark.parametrize(
    ("control", "status", "after", "heard"),
    [
        ("max-age=60", 503, 3_600, True),
        ("max-age=60", 503, 90_000, False),
        ("max-age=60, stale-if-error=10", 503, 65, True),
        ("max-age=60, stale-if-error=10", 503, 75, False),
        ("max-age=60, must-revalidate", 503, 61, False),
        ("max-age=60", 404, 61, False),
        ("max-age=60", 403, 61, False),
    ],
)
def test_md_4_stale_on_error_within_a_bound(
    service: Media, control: str, status: int, after: float, heard: bool
) -> None:
    file = File(f"Cache-Control: {control}")
    with Origin({"/a": file}) as origin:
        service.file(origin.url("/a"))
        file.status = status
        service.time.pass_(after)
        got = service.file(origin.url("/a"))
    if heard:
        assert (hz(got), got.headers["X-Cache"], got.headers["Cache-Control"]) == (400, "stale", "no-cache")
    else:
        assert code(got) == (502, 11200)


def test_md_4_a_dead_origin_is_bridged_too(service: Media) -> None:
    with Origin({"/a": File("Cache-Control: max-age=1")}) as origin:
        service.file(origin.url("/a"))
    service.time.pass_(5)
    assert service.file(origin.url("/a")).headers["X-Cache"] == "stale"


def test_a_temporary_redirect_is_followed_anew_each_time(service: Media) -> None:
    aims = iter(["/low", "/high"])
    control = "Cache-Control: max-age=600"
    answers = {
        "/a": lambda _: redirect(next(aims)),
        "/low": answer(LOW, control),
        "/high": answer(HIGH, control),
    }
    with Origin(answers) as origin:  # type: ignore[arg-type]
        assert hz(service.file(origin.url("/a"))) == 400
        service.time.pass_(1)
        assert hz(service.file(origin.url("/a"))) == 900


@pytest.mark.parametrize("control", ["max-age=60", "no-store"])
def test_md_5_a_hundred_at_once_make_one_fetch(service: Media, control: str) -> None:
    go = threading.Event()

    def late(_: Received) -> Script:
        go.wait(20)
        return answer(LOW, f"Cache-Control: {control}")

    before = service.metric("callrouter_media_conversions_total", format="wav", outcome="done")
    with Origin({"/a": late}) as origin, ThreadPoolExecutor(100) as callers:
        waiting = [callers.submit(service.file, origin.url("/a")) for _ in range(100)]
        under_way = "callrouter_media_waiting"
        while service.metric(under_way, kind="file") < 100:
            assert not any(one.done() for one in waiting)
        go.set()
        got = [one.result() for one in waiting]
    assert {one.content for one in got} == {got[0].content}
    assert hz(got[0]) == 400
    assert len(origin.received) == 1
    assert service.metric("callrouter_media_conversions_total", format="wav", outcome="done") == before + 1


def test_md_6_a_sound_has_an_address_that_does_not_change(service: Media) -> None:
    with Origin({"/a": File("Cache-Control: max-age=60")}) as origin:
        first = service.file(origin.url("/a"))
        where, etag = service.url + first.headers["Content-Location"], first.headers["ETag"]
        assert service.ask("GET", where).content == first.content
        assert service.ask("GET", where, headers={"If-None-Match": etag}).status_code == 304
        assert service.file(origin.url("/a"), headers={"If-None-Match": etag}).status_code == 304
        part = service.ask("GET", where, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, first.content[10:20])
        head = service.ask("HEAD", where)
        assert (head.content, head.headers["Content-Length"]) == (b"", str(len(first.content)))
        service.ask("DELETE", "files", params={"url": origin.url("/a")})
        assert code(service.ask("GET", where)) == (404, 20404)


def test_md_7_one_account_never_gets_what_another_fetched(service: Media) -> None:
    def one_each(request: Received) -> Script:
        return answer(
            LOW if request.connection == 1 else HIGH, "Cache-Control: max-age=600", "Connection: close"
        )

    with Origin({"/a": lambda request: [*one_each(request), CLOSE]}) as origin:
        first, second = service.file(origin.url("/a")), service.file(origin.url("/a"), account=OTHER)
        assert (hz(first), hz(second)) == (400, 900)
        path = first.headers["Content-Location"].rsplit("/", 1)[1]
        service.ask("DELETE", "files", params={"url": origin.url("/a")}, account=OTHER)
        assert service.file(origin.url("/a")).headers["X-Cache"] == "hit"
        assert service.ask("GET", f"sounds/{path}", account=OTHER).status_code == 404


def test_md_7_other_credentials_are_another_file_and_are_not_written_down(service: Media) -> None:
    with Origin({"/a": File("Cache-Control: max-age=600")}) as origin:
        url = origin.url("/a")
        for who in ("", "alice:s3cret@", "bob:s3cret@"):
            assert service.file(url.replace("//", f"//{who}")).headers["X-Cache"] == "miss"
    kept = list((service.folder / "media" / "cache" / ACCOUNT).iterdir())
    assert len(kept) == 3
    assert not any(b"s3cret" in path.read_bytes() for path in kept)


@pytest.mark.parametrize(
    ("chosen", "purged", "left"),
    [
        ({"url": "/x/1"}, 1, {"/x/2", "/y/1"}),
        ({"prefix": "/x/"}, 2, {"/y/1"}),
        ({"prefix": "/z"}, 0, {"/x/1", "/x/2", "/y/1"}),
        ({}, 3, set()),
    ],
)
def test_md_9_purge(service: Media, chosen: dict[str, str], purged: int, left: set[str]) -> None:
    paths = ("/x/1", "/x/2", "/y/1")
    with Origin({path: File("Cache-Control: max-age=600") for path in paths}) as origin:
        for path in paths:
            service.file(origin.url(path))
        parameters = {name: origin.url(path) for name, path in chosen.items()}
        assert service.ask("DELETE", "files", params=parameters).json() == {"purged": purged}
        assert {path for path in paths if service.file(origin.url(path)).headers["X-Cache"] == "hit"} == left


def test_md_9_an_empty_url_is_not_everything(service: Media) -> None:
    with Origin({"/a": File("Cache-Control: max-age=600")}) as origin:
        service.file(origin.url("/a"))
        assert code(service.ask("DELETE", "files", params={"url": ""})) == (422, 11100)
        assert service.file(origin.url("/a")).headers["X-Cache"] == "hit"


def test_md_9_a_small_shelf_forgets_what_was_not_used(tmp_path: Path) -> None:
    body = tone(seconds=25)  # 200 kB as mu-law, of 1 MB
    kept = answer(body, "Cache-Control: max-age=600")
    with media(tmp_path, media_cache_mb=1) as service, Origin(lambda _: kept) as origin:
        for number in (1, 2, 3, 4, 1, 5):  # 5 is one too many; 1 was used since
            service.file(origin.url(f"/{number}"))
        fetched = len(origin.received)
        assert service.file(origin.url("/1")).headers["X-Cache"] == "hit"
        assert service.file(origin.url("/2")).headers["X-Cache"] == "miss"
        held = sum(
            path.stat().st_size for path in (tmp_path / "media" / "cache").rglob("*") if path.is_file()
        )
    assert fetched == 5
    assert held <= 1_000_000


def test_the_shelf_outlives_the_process(tmp_path: Path) -> None:
    with Origin({"/a": File("Cache-Control: max-age=600")}) as origin:
        with media(tmp_path) as service:
            service.file(origin.url("/a"))
        cache = tmp_path / "media" / "cache" / ACCOUNT
        (cache / ".draft.of a killed process").write_bytes(b"half")
        with media(tmp_path) as service:
            assert service.file(origin.url("/a")).headers["X-Cache"] == "hit"
        kept = list(cache.iterdir())
        assert len(kept) == 1
        kept[0].write_bytes(kept[0].read_bytes()[:-1])  # a disk that lost its end
        with media(tmp_path) as service:
            assert service.file(origin.url("/a")).headers["X-Cache"] == "miss"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\n"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(lambda: answer(b"no", status=404), (502, 11200), id="not found"),
        pytest.param(lambda: answer(b"no", status=500), (502, 11200), id="server error"),
        pytest.param(lambda: answer(LOW, status=206), (502, 11200), id="a part that nobody asked for"),
        pytest.param(lambda: answer(b"<html>", type="text/html"), (422, 12300), id="a page"),
        pytest.param(lambda: answer(b"<html>", type="audio/wav"), (422, 13420), id="a lying type"),
        pytest.param(lambda: answer(b""), (422, 13420), id="0 bytes"),
        pytest.param(lambda: [*answer(LOW, length=len(LOW) + 9), CLOSE], (502, 11206), id="cut short"),
        pytest.param(lambda: answer(b"", length=50_000_000), (502, 11750), id="said to be too large"),
        pytest.param(lambda: endless(HEAD + b"\r\n"), (502, 11750), id="endless"),
        pytest.param(lambda: [RESET], (502, 11206), id="reset"),
        pytest.param(lambda: redirect("http://10.0.0.1/a"), (422, 11205), id="redirect inside"),
        pytest.param(lambda: redirect("/a"), (502, 11215), id="redirects for ever"),
    ],
)
def test_md_8_what_can_go_wrong_has_a_code(service: Media, script: object, expected: tuple[int, int]) -> None:
    with Origin({"/a": lambda _: script()}) as origin:  # type: ignore[operator]
        assert code(service.file(origin.url("/a"))) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://10.1.2.3/a.wav", (422, 11205)),
        ("http://169.254.169.254/latest/meta-data", (422, 11205)),
        ("http://[::1]/a.wav", (422, 11205)),
        ("file:///etc/passwd", (422, 11100)),
        ("ftp://a.example/a.wav", (422, 11100)),
        ("/a.wav", (422, 11100)),
        ("", (422, 11100)),
    ],
)
def test_md_10_no_url_leads_inside(service: Media, url: str, expected: tuple[int, int]) -> None:
    assert code(service.file(url)) == expected


def test_nothing_hangs_on_a_slow_origin(service: Media) -> None:
    with Origin({"/a": [HEAD, HANG]}) as origin:
        assert code(service.file(origin.url("/a#rt=200"))) == (502, 11200)


def test_a_missing_parameter_is_named(service: Media) -> None:
    assert code(service.ask("GET", "files")) == (400, 20001)


def test_md_8_a_fault_is_not_remembered(service: Media) -> None:
    file = File("Cache-Control: max-age=60")
    file.status = 500
    with Origin({"/a": file}) as origin:
        assert code(service.file(origin.url("/a"))) == (502, 11200)
        file.status = 200
        assert hz(service.file(origin.url("/a"))) == 400


def test_a_changed_file_that_is_no_sound_is_not_the_old_sound(service: Media) -> None:
    file = File("Cache-Control: max-age=60")
    with Origin({"/a": file}) as origin:
        service.file(origin.url("/a"))
        file.body = b"<html>moved</html>"
        service.time.pass_(61)
        assert code(service.file(origin.url("/a"))) == (422, 13420)


def test_md_11_hits_and_misses_are_counted(service: Media) -> None:
    def count(outcome: str) -> float:
        return service.metric("callrouter_media_requests_total", kind="file", outcome=outcome)

    before = {outcome: count(outcome) for outcome in ("hit", "miss", "error")}
    with Origin({"/a": File("Cache-Control: max-age=60")}) as origin:
        for path in ("/a", "/a", "/a", "/nothing"):
            service.file(origin.url(path))
    assert {outcome: count(outcome) - before[outcome] for outcome in before} == {
        "hit": 2,
        "miss": 1,
        "error": 1,
    }
    assert service.metric("callrouter_media_seconds_count", kind="file", outcome="hit") >= 2
