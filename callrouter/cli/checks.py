"""The doctor's examinations. Each answers with one finding and leaves everything as it was."""

import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import requests
from cryptography import x509
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from callrouter import models
from callrouter.cli.db import FOLDERS
from callrouter.cli.deployment import Deployment, sqlite_is_missing
from callrouter.media.recognition import sphinx
from callrouter.media.recognition.engines import NO_ENGINE as NO_RECOGNISER
from callrouter.media.speech import espeak
from callrouter.media.speech.engines import NO_ENGINE
from foundation.clock import from_timestamp
from foundation.db import Database, DatabaseUnusable
from foundation.keys import KeysUnusable
from foundation.settings import Settings, address
from migrations import runner

PROBE_SECONDS = 2
SKEW = 5
EXPIRES_SOON = 14 * 86_400


class State(StrEnum):
    OK = "ok"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`remedy` says what to do; it is empty where nothing is to be done."""

    check: str
    state: State
    detail: str
    remedy: str = ""


def data_dir(settings: Settings) -> Finding:
    folder = settings.data_dir.resolve()
    if not folder.exists():
        return Finding(check="data directory", state=State.NOTE, detail=f"{folder} will be made")
    usable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    if usable:
        return Finding(check="data directory", state=State.OK, detail=str(folder))
    return Finding(
        check="data directory",
        state=State.FAULT,
        detail=f"{folder} can't be written to",
        remedy="give it to the user who runs callrouter, or set CALLROUTER_DATA_DIR",
    )


def database(settings: Settings, name: str) -> Finding:
    """There, durable, and with the newest tables."""
    check, url = f"{name} database", settings.database_url(name)
    if sqlite_is_missing(url):
        return Finding(
            check=check, state=State.FAULT, detail="not there", remedy="run `callrouter db upgrade`"
        )
    try:
        opened = Database(url)
        try:
            opened.check()
        finally:
            opened.close()
        current = runner.current(url, FOLDERS[name])
    except (DatabaseUnusable, SQLAlchemyError) as error:
        return Finding(
            check=check,
            state=State.FAULT,
            detail=str(error).partition("\n")[0],
            remedy=f"start it, or correct CALLROUTER_{name.upper()}_DATABASE_URL",
        )
    if fault := runner.unfit(current, FOLDERS[name]):
        return Finding(check=check, state=State.FAULT, detail=fault)
    return Finding(check=check, state=State.OK, detail=f"durable, tables at {current}")


def keys(deployment: Deployment) -> Finding:
    """There, and the ones that sealed what is stored."""
    file = deployment.settings.data_dir / "secret.key"
    if not deployment.settings.secret_keys and not file.exists():
        return Finding(check="master keys", state=State.NOTE, detail=f"{file} will be made on first start")
    try:
        with deployment.database.read() as connection:
            sealed = connection.execute(select(models.Account.auth_token_sealed)).scalars().first()
        if sealed is not None:
            deployment.keys.open(sealed)
    except KeysUnusable as error:
        return Finding(
            check="master keys",
            state=State.FAULT,
            detail=str(error),
            remedy="set CALLROUTER_SECRET_KEYS to the keys that sealed it, or put secret.key back from a backup",
        )
    except (DatabaseUnusable, SQLAlchemyError):
        return Finding(check="master keys", state=State.NOTE, detail="there, not tried: no database")
    if not deployment.settings.secret_keys and file.stat().st_mode & 0o077:
        return Finding(
            check="master keys",
            state=State.FAULT,
            detail=f"others may read {file}",
            remedy=f"chmod 600 {file}",
        )
    return Finding(check="master keys", state=State.OK, detail="they open what is stored")


def clock(deployment: Deployment) -> Finding:
    """Not behind what is stored already; tokens and signatures depend on it."""
    try:
        with deployment.database.read() as connection:
            newest = connection.execute(select(func.max(models.Account.date_updated))).scalar()
    except (DatabaseUnusable, SQLAlchemyError):
        newest = None
    ahead = (newest or 0) - deployment.now()
    if ahead > SKEW:
        return Finding(
            check="clock",
            state=State.FAULT,
            detail=f"{ahead:.0f} s behind what is stored",
            remedy="set the clock, and keep it right by NTP",
        )
    return Finding(
        check="clock", state=State.OK, detail=f"{from_timestamp(deployment.now()):%Y-%m-%d %H:%M:%S} UTC"
    )


def certificate(settings: Settings, now: float) -> Finding:
    """The pair loads and is valid for a while."""
    if not settings.tls_certificate:
        return Finding(check="certificate", state=State.NOTE, detail="none given: a development CA is made")
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
        loaded = x509.load_pem_x509_certificate(Path(settings.tls_certificate).read_bytes())
    except (OSError, ValueError) as error:
        return Finding(
            check="certificate",
            state=State.FAULT,
            detail=f"{settings.tls_certificate}: {error}",
            remedy="give a PEM chain by CALLROUTER_TLS_CERTIFICATE, and its key by CALLROUTER_TLS_KEY",
        )
    left = loaded.not_valid_after_utc.timestamp() - now
    state = State.FAULT if left <= 0 else State.NOTE if left < EXPIRES_SOON else State.OK
    return Finding(
        check="certificate",
        state=state,
        detail=f"valid until {loaded.not_valid_after_utc:%Y-%m-%d}",
        remedy="" if state is State.OK else "renew it, and start the presence server again",
    )


def speech(settings: Settings) -> Finding:
    """Whether <Say> will be heard."""
    if settings.speech_engine == "none" or (
        settings.speech_engine in ("auto", "espeak") and not espeak.installed()
    ):
        return Finding(check="speech", state=State.NOTE, detail=NO_ENGINE)
    return Finding(check="speech", state=State.OK, detail=f"spoken by {settings.speech_engine}")


def recognition(settings: Settings) -> Finding:
    """Whether <Gather input="speech"> will understand anything."""
    engine = settings.recognition_engine
    if engine == "none" or (engine in ("auto", "pocketsphinx") and not sphinx.installed()):
        return Finding(check="recognition", state=State.NOTE, detail=NO_RECOGNISER)
    return Finding(check="recognition", state=State.OK, detail=f"heard by {engine}")


def processes(settings: Settings) -> Iterator[Finding]:
    """Each process answers, or its address is free for it."""
    yield _web("router", settings.router_bind)
    yield _web("presence", settings.presence_bind)
    yield _web("media", settings.media_bind)
    for name, bind in (("signalling", settings.signal_bind), ("voice node", settings.voice_control)):
        if bind != "off":
            yield _listener(name, bind)


def _web(name: str, bind: str) -> Finding:
    found = _listener(name, bind)
    if found.state is not State.OK:
        return found
    try:
        answer = requests.get(f"http://{bind}/livez", timeout=PROBE_SECONDS)
        alive = answer.status_code == 200 and answer.json() == {"status": "ok"}
    except (requests.RequestException, ValueError):
        alive = False
    if alive:
        return Finding(check=name, state=State.OK, detail=f"answers on {bind}")
    return Finding(
        check=name,
        state=State.FAULT,
        detail=f"something else listens on {bind}",
        remedy="stop it, or give us another address by the settings",
    )


def _listener(name: str, bind: str) -> Finding:
    host, port = address(bind)
    try:
        with socket.create_connection((host, port), PROBE_SECONDS):
            return Finding(check=name, state=State.OK, detail=f"listens on {bind}")
    except ConnectionRefusedError:
        return Finding(check=name, state=State.NOTE, detail=f"does not run; {bind} is free")
    except OSError as error:
        return Finding(
            check=name, state=State.FAULT, detail=f"{bind} can't be reached: {error.strerror or error}"
        )
