"""The media of messages: what they say that they are is checked against their bytes, and they are kept apart."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_world import ACCOUNT, OTHER, Media, code, media

from callrouter.media.attachments import Attachments
from callrouter.media.kinds import MOST_BYTES, content_type
from foundation.webserver.errors import ApiError

SID = "ME" + "e" * 32
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 40
JPEG = b"\xff\xd8\xff\xe0" + b"j" * 40
MP4 = b"\0\0\0\x18ftypisom" + b"v" * 40
HTML = b"<html><script>alert(1)</script></html>"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Media]:
    with media(tmp_path_factory.mktemp("attachments")) as running:
        yield running


def test_what_is_put_is_handed_out_to_its_account_only(served: Media) -> None:
    """I12; the same again changes nothing, and what came later counts."""
    path = f"attachments/{SID}"
    for body in (JPEG, PNG, PNG):
        put = served.ask("PUT", path, data=body, headers={"Content-Type": "application/octet-stream"})
        assert put.status_code == 201
    assert put.json() == {"content_type": "image/png", "size": len(PNG)}
    got = served.ask("GET", path)
    assert (got.content, got.headers["Content-Type"]) == (PNG, "image/png")
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert served.ask("GET", path, headers={"Range": "bytes=0-3"}).content == PNG[:4]
    assert served.ask("GET", path, headers={"If-None-Match": got.headers["ETag"]}).status_code == 304
    assert code(served.ask("GET", path, OTHER)) == (404, 20404)
    assert served.ask("DELETE", path, OTHER).status_code == 204
    assert served.ask("GET", path).content == PNG
    assert served.ask("DELETE", path).status_code == 204
    assert code(served.ask("GET", path)) == (404, 20404)
    assert code(served.ask("PUT", "attachments/RE" + "e" * 32, data=PNG)) == (404, 20404)


def test_media_are_still_there_after_a_restart(tmp_path: Path) -> None:
    """I1."""
    Attachments(tmp_path).put(ACCOUNT, SID, PNG, "image/png")
    kept = Attachments(tmp_path).get(ACCOUNT, SID)
    assert kept is not None
    assert (kept.body, kept.facts["content_type"]) == (PNG, "image/png")


@pytest.mark.parametrize(
    ("body", "declared", "stored"),
    [
        (PNG, "image/png", "image/png"),
        (JPEG, "IMAGE/JPG; name=x", "image/jpeg"),
        (JPEG, "", "image/jpeg"),
        (MP4, "audio/mp4", "audio/mp4"),
        (MP4, "video/3gpp", "video/3gpp"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "audio/x-wav", "audio/wav"),
        (b"%PDF-1.7", "application/pdf", "application/pdf"),
        (b"BEGIN:VCARD\r\nVERSION:3.0", "text/x-vcard", "text/vcard"),
        (b"a,b\r\n1,2", "text/csv", "text/csv"),
    ],
)
def test_true_types_are_kept(body: bytes, declared: str, stored: str) -> None:
    assert content_type(body, declared) == stored


@pytest.mark.parametrize(
    ("body", "declared", "status", "refusal"),
    [
        (HTML, "image/png", 422, 12300),
        (HTML, "text/html", 422, 12300),
        (HTML, "text/plain", 422, 12300),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 422, 12300),
        (PNG, "image/jpeg", 422, 12300),
        (b"MZ\x90\0", "application/octet-stream", 422, 12300),
        (b"a\0b", "text/plain", 422, 12300),
        (b"", "image/png", 422, 12300),
        (PNG + b"p" * MOST_BYTES, "image/png", 413, 11751),
    ],
)
def test_media_that_lie_or_are_too_large_are_refused(
    served: Media, body: bytes, declared: str, status: int, refusal: int
) -> None:
    put = served.ask("PUT", f"attachments/{SID}", data=body, headers={"Content-Type": declared})
    assert code(put) == (status, refusal)
    assert served.ask("GET", f"attachments/{SID}").status_code == 404


@given(body=st.binary(max_size=64), declared=st.text(max_size=40))
def test_any_bytes_get_a_type_that_no_browser_runs_or_are_refused(body: bytes, declared: str) -> None:
    kind = "refused"
    with suppress(ApiError):
        kind = content_type(body, declared)
    assert kind in {"refused", "application/pdf"} or kind.split("/")[0] in ("image", "audio", "video", "text")
    assert kind not in ("text/html", "image/svg+xml")
