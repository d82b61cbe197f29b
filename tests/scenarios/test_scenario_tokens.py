"""Tokens that must not open the door, at the real presence server (PR-1 to PR-9; twilio-surface 9.4 row 36)."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from scene import Scene
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from callrouter.phone.connection import PhoneRefused
from callrouter.phone.phone import Phone
from tests.support.deployment import Tenant

HEADER = {"cty": "twilio-fpa;v=1"}


def _token(tenant: Tenant, *, secret: str = "", **changes: Any) -> str:
    """A token of the official library, with claims changed and signed anew."""
    token = AccessToken(tenant.sid, tenant.key_sid, tenant.key_secret, identity="alice")
    token.add_grant(VoiceGrant(incoming_allow=True))
    claims = jwt.decode(token.to_jwt(), options={"verify_signature": False})
    headers = {**HEADER, **changes.pop("headers", {})}
    return jwt.encode({**claims, **changes}, secret or tenant.key_secret, "HS256", headers)


def _foreign(tenant: Tenant) -> str:
    return _token(tenant, sub=tenant.deployment.tenant().sid)


def _flipped(tenant: Tenant) -> str:
    head, body, signature = _token(tenant).split(".")
    return f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


TOKENS: dict[str, tuple[Callable[[Tenant], str], int]] = {
    "none": (lambda _: "", 31102),
    "garbage": (lambda _: "garbage", 31204),
    "three parts of garbage": (lambda _: "a.b.c", 31204),
    "wrong secret": (lambda tenant: _token(tenant, secret="x" * 32), 31202),
    "a changed byte": (_flipped, 31202),
    "no algorithm": (lambda tenant: jwt.encode({"sub": tenant.sid}, None, "none", HEADER), 31204),
    "expired": (lambda tenant: _token(tenant, exp=int(time.time()) - 10), 31205),
    "not yet valid": (lambda tenant: _token(tenant, nbf=int(time.time()) + 600), 31204),
    "25 hours": (lambda tenant: _token(tenant, exp=int(time.time()) + 25 * 3600), 31207),
    "of a foreign account": (_foreign, 31202),
    "of an unknown key": (lambda tenant: _token(tenant, iss="SK" + "0" * 32), 31202),
    "without a permission": (lambda tenant: tenant.token("alice", incoming=False), 31201),
    "a wrong client name": (lambda tenant: tenant.token("al ice"), 31105),
    "no content type": (lambda tenant: _token(tenant, headers={"cty": None}), 31204),
}


async def _refused(scene: Scene, token: str) -> int:
    async with Phone(scene.deployment.signal, token, ca=scene.deployment.ca) as phone:
        with pytest.raises(PhoneRefused) as refused:
            await phone.register()
        return refused.value.code


@pytest.mark.parametrize("which", TOKENS)
async def test_token_is_refused_with_its_code(scene: Scene, which: str) -> None:
    """PR-4."""
    make, code = TOKENS[which]
    assert await _refused(scene, make(scene.tenant)) == code


async def test_refused_registration_changes_no_byte_of_the_presence_database(quiet: Scene) -> None:
    """PR-3: permission is verified before anything is written, whatever is wrong with the token."""
    scene = quiet
    tokens = [make(scene.tenant) for make, _ in TOKENS.values()]
    files = [scene.deployment.folder / f"presence.sqlite3{end}" for end in ("", "-wal")]

    def digests() -> list[str]:
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.exists()]

    await scene.over()  # the foreign accounts are announced
    before = digests()
    for token in tokens:
        await _refused(scene, token)
    assert digests() == before
    async with scene.phone("alice"):
        assert digests() != before, "the probe would not see a write"
