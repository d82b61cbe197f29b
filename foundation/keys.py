"""The deployment's own keys: what is signed by us, for us, and what is encrypted at rest.

One list of master keys, newest first; every purpose has its own salt, so that a token made for one
can never be used for another (reliability-security 4.4 and 4.6). Putting a new key in
front rotates: the old ones still verify and decrypt.
"""

import base64
import hashlib
import os
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from itsdangerous import BadData, URLSafeTimedSerializer

from foundation.clock import Clock, utc_now
from foundation.settings import Settings

SKEW = 30
"""Seconds by which the clocks of our own machines may differ."""


class TokenRefused(Exception):
    """A token of ours is forged, damaged, too old or made for another purpose."""


class KeysUnusable(Exception):
    """The master keys cannot open what is stored: the operator has lost or changed them."""


class Keys:
    """Signs and seals with the deployment's master keys."""

    def __init__(self, master: Sequence[str], clock: Clock = utc_now) -> None:
        if not master:
            raise KeysUnusable("no master key: set CALLROUTER_SECRET_KEYS")
        self._clock = clock
        self._oldest_first = list(reversed(master))
        self._vault = MultiFernet([Fernet(_fernet_key(key)) for key in master])
        self._serializers: dict[str, URLSafeTimedSerializer] = {}

    def sign(self, purpose: str, claims: dict[str, Any]) -> str:
        """A URL-safe token that carries these claims for that purpose, dated now."""
        return str(self._serializer(purpose).dumps(claims))

    def verify(self, purpose: str, token: str, max_age: int) -> dict[str, Any]:
        """The claims of a token not older than `max_age` seconds; TokenRefused otherwise."""
        try:
            claims, signed = self._serializer(purpose).loads(token, return_timestamp=True)
        except (BadData, UnicodeEncodeError) as error:
            raise TokenRefused(f"the {purpose} token is not valid") from error
        age = (self._clock() - signed).total_seconds()
        if not -SKEW <= age <= max_age:
            raise TokenRefused(f"the {purpose} token {'has expired' if age > 0 else 'is from the future'}")
        if not isinstance(claims, dict):
            raise TokenRefused(f"the {purpose} token is not valid")
        return claims

    def seal(self, secret: str) -> str:
        """Encrypts a customer's or carrier's secret for the database."""
        return self._vault.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Decrypts what `seal` made; KeysUnusable when no master key fits."""
        try:
            return self._vault.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise KeysUnusable(
                "what is stored was sealed with a master key that is not configured; set CALLROUTER_SECRET_KEYS to it "
                "(more keys after a comma), or put the right secret.key into the data directory"
            ) from error

    def derive(self, purpose: str) -> str:
        """A secret for a purpose that needs a plain shared string, such as the voice node's control token."""
        return hashlib.sha256(f"{purpose}:{self._oldest_first[-1]}".encode()).hexdigest()

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        if purpose not in self._serializers:
            self._serializers[purpose] = URLSafeTimedSerializer(
                self._oldest_first,
                salt=f"callrouter.{purpose}",
                signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
            )
        return self._serializers[purpose]


def load_keys(settings: Settings) -> Keys:
    """The configured keys, or the ones in the data directory, made on first start (readable by us only)."""
    if settings.secret_keys:
        return Keys(settings.secret_keys)
    return Keys(_kept(settings.data_dir / "secret.key").split())


def operator_key(settings: Settings) -> str:
    """What the operator signs in to the console with: configured, or made in the data directory like the master key."""
    return settings.operator_key or _kept(settings.data_dir / "operator.key").strip()


def _kept(path: Path) -> str:
    """The file's text; the file is made when it is not there."""
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(48))
    return path.read_text()


def _write_once(path: Path, text: str) -> None:
    """Two processes may start at once: the file appears whole or not at all, and the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(descriptor)  # secrets sealed with it would be lost with it
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        os.unlink(fresh)


def _fernet_key(master: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(b"callrouter.vault:" + master.encode()).digest())
