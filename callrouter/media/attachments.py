"""The media of messages: checked, and on disk before they are acknowledged."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from callrouter.media import kinds, sheet
from callrouter.media.sheet import Sheet
from callrouter.media.sound import digest


class Attachments:
    """By account and SID, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, account: str, sid: str, body: bytes, declared: str) -> str:
        """Stores it in place of what is there: the type that it is stored under. ApiError as `kinds.content_type`."""
        content_type, path = kinds.content_type(body, declared), self._path(account, sid)
        facts = {"content_type": content_type, "etag": digest(body, content_type)}
        if sheet.facts(path).get("etag") != facts["etag"]:
            sheet.write(path, Sheet(facts=facts, body=body))
        return content_type

    def get(self, account: str, sid: str) -> Sheet | None:
        """Its facts are `content_type` and `etag`; None when there are no such media."""
        return sheet.read(self._path(account, sid))

    def delete(self, account: str, sid: str) -> None:
        """For good; nothing happens when it is not there."""
        path = self._path(account, sid)
        with suppress(FileNotFoundError):
            path.unlink()
            sheet.sync_folder(path.parent)

    def _path(self, account: str, sid: str) -> Path:
        return self._folder / account / sid
