"""Every option of every process, read once, in one place.

Each is an environment variable `CALLROUTER_<NAME>`; the table below is also the reference page
(`python -m foundation.settings` prints it). All mistakes are reported together, so that an operator
mends a file once and not six times.
"""

import dataclasses
import difflib
import ipaddress
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from environs import Env, EnvValidationError
from marshmallow.validate import OneOf, Range

PREFIX = "CALLROUTER_"
SHORTEST_KEY = 32
ICE_URL = re.compile(r"(stun|turn)s?:[^\s?@/]+(\?transport=(udp|tcp))?")
ADDRESS = re.compile(r"(?:\[([^\s\[\]/@]*:[^\s\[\]/@]*)\]|([^\s\[\]/@:]+)):([0-9]{1,5})")
LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """The operator's settings do not hold together; the message lists every fault."""


def _setting(default: Any, help: str, read: str = "str", **options: Any) -> Any:
    return field(default=default, metadata={"help": help, "read": read, "options": options})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration of a deployment; addresses are `host:port`."""

    data_dir: Path = _setting(Path("var"), "Where databases, keys and certificates live by default.", "path")
    router_database_url: str = _setting(
        "", "SQLAlchemy URL of the router's database; empty: SQLite in data_dir."
    )
    presence_database_url: str = _setting("", "The same for the presence server; never the same database.")
    secret_keys: tuple[str, ...] = _setting(
        (),
        "Master keys, newest first, at least 32 characters each; empty: made in data_dir on first start.",
        "list",
    )
    operator_key: str = _setting(
        "",
        "What the operator signs in to the console with, at least 32 characters; empty: made in data_dir as "
        "operator.key on first start.",
    )
    router_bind: str = _setting(
        "127.0.0.1:8080", "Where the router serves REST, carriers' webhooks and the console."
    )
    router_url: str = _setting("", "The router's public base URL; empty: http:// and router_bind.")
    router_name: str = _setting("router-1", "This router's name among those that share its database.")
    presence_bind: str = _setting("127.0.0.1:8081", "Where the presence server serves its API in plain HTTP.")
    presence_url: str = _setting("", "Where the router finds that API; empty: http:// and presence_bind.")
    presence_node_url: str = _setting(
        "",
        "Where other presence processes on the same PostgreSQL reach this one's API; empty: http:// and presence_bind, "
        "with the host's name when that listens on all addresses.",
    )
    signal_bind: str = _setting(
        "127.0.0.1:8443", "Where the presence server serves wss /signal with TLS; `off` behind a TLS proxy."
    )
    signal_host: str = _setting(
        "",
        "Host[:port] that apps pass to the Voice SDK as `chunderw`; empty: localhost and signal_bind's port.",
    )
    signal_origins: tuple[str, ...] = _setting(
        (),
        "Page origins that may open /signal; empty: any. Clients without an Origin header always may.",
        "list",
    )
    tls_certificate: str = _setting(
        "", "PEM file with the certificate chain; empty: a development CA in data_dir."
    )
    tls_key: str = _setting("", "PEM file with the certificate's private key.")
    voice_control: str = _setting("127.0.0.1:8090", "Where the voice node takes the router's commands.")
    voice_address: str = _setting("127.0.0.1", "The IP address that carriers and browsers send audio to.")
    voice_webrtc_port: int = _setting(
        8091, "The one UDP port of all browser legs.", "int", validate=Range(0, 65535)
    )
    voice_rtp_ports: str = _setting("20000-24000", "UDP port range of phone legs, first-last.")
    voice_max_legs: int = _setting(
        400, "Legs that the node takes before it refuses.", "int", validate=Range(1)
    )
    voice_media_timeout: float = _setting(
        20.0, "Seconds without a packet after which a leg's call ends.", "float", validate=Range(0)
    )
    media_bind: str = _setting("127.0.0.1:8082", "Where the media service serves sound.")
    media_url: str = _setting(
        "", "Where the router and the voice node find it; empty: http:// and media_bind."
    )
    media_cache_mb: int = _setting(
        1000, "Megabytes of converted and spoken sound that are kept on disk.", "int", validate=Range(1)
    )
    speech_engine: str = _setting(
        "auto",
        "What speaks texts: `auto` (espeak-ng if installed by callrouter[tts]), `espeak`, `command:` and a command "
        "line with {text}, {voice}, {language} that writes WAV, the http(s) URL of an engine, or `none`.",
    )
    recognition_engine: str = _setting(
        "auto",
        "What understands speech: `auto` (pocketsphinx if installed by callrouter[stt]), `pocketsphinx`, `command:` "
        "and a command line with {language}, {hints} that reads WAV and writes JSON, the http(s) or ws(s) URL of an "
        "engine, or `none`.",
    )
    hold_music: str = _setting(
        "", "A sound file that those hear who wait, ten minutes at most; empty: a tune of our own."
    )
    stun_urls: tuple[str, ...] = _setting(
        (), "STUN servers that REST's Tokens name to apps, such as stun:stun.example.com:3478.", "list"
    )
    turn_urls: tuple[str, ...] = _setting(
        (), "TURN servers that they name, such as turn:turn.example.com:3478?transport=udp.", "list"
    )
    turn_secret: str = _setting(
        "",
        "What those servers share with us (coturn's static-auth-secret): it makes credentials that expire.",
    )
    outbound_allow: tuple[str, ...] = _setting(
        (),
        "Addresses, CIDR blocks or host names that webhooks may reach although they are not public, such as "
        "127.0.0.0/8 or 10.1.0.0/16. Empty: public addresses only.",
        "list",
    )
    outbound_ca: str = _setting("", "PEM file of extra certificate authorities for webhooks.")
    calls_per_second: float = _setting(
        1.0,
        "Calls that an account may place by REST in a second; more of them wait in its queue.",
        "float",
        validate=Range(0.01, 1000),
    )
    outbound_threads: int = _setting(64, "Webhook requests under way at once.", "int", validate=Range(1, 512))
    message_report_seconds: float = _setting(
        600.0,
        "Seconds after which a message that a carrier took, and nobody reported, counts as lost for its route.",
        "float",
        validate=Range(10, 604_800),
    )
    message_exploration: float = _setting(
        0.05,
        "Share of messages that try out routes that do not lead, so that one that got better is found; 0: none, "
        "and routes that once failed stay behind.",
        "float",
        validate=Range(0, 0.5),
    )
    answer_grace: float = _setting(
        10.0,
        "Seconds for which a client that lost its socket keeps its calls and registration.",
        "float",
        validate=Range(0, 600),
    )
    registration_ttl: int = _setting(
        75, "Seconds that a socket registration lives without refresh.", "int", validate=Range(1, 86_400)
    )
    endpoints_per_client: int = _setting(
        10,
        "Devices that a client may have registered at a time; one more takes the place of the one that was refreshed "
        "longest ago.",
        "int",
        validate=Range(1, 100),
    )
    capability_tokens: bool = _setting(
        True, "Take capability tokens (signed with the account's auth token).", "bool"
    )
    refusals_per_second: float = _setting(
        5.0,
        "Requests with wrong credentials that the presence server looks at, per second and client address, with "
        "bursts of four times that; those beyond get 429. Behind a proxy all clients have its address. 0: no limit.",
        "float",
        validate=Range(0, 10_000),
    )
    development: bool = _setting(
        False,
        "For trying things on one machine: the console simulates calls; its phone uses plain ws:// on the loopback.",
        "bool",
    )
    metrics_token: str = _setting(
        "", "What Prometheus sends as a bearer token for /metrics; empty: programs on this machine only."
    )
    voice_metrics_bind: str = _setting(
        "off", "Where the voice node serves /metrics, /livez and /readyz over HTTP, such as 127.0.0.1:8092."
    )
    drain_seconds: float = _setting(
        0.0,
        "Seconds that a router told to stop goes on with its calls, refuses new ones and is not ready, so that a "
        "balancer turns away from it.",
        "float",
        validate=Range(0, 300),
    )
    cli_account: str = _setting("", "The account that the command line acts on when there are several.")
    log_format: str = _setting("auto", "auto, console or json.", validate=OneOf(["auto", "console", "json"]))
    log_level: str = _setting("info", "debug, info, warning or error.")

    def router_base(self) -> str:
        return (self.router_url or f"http://{self.router_bind}").rstrip("/")

    def presence_base(self) -> str:
        return (self.presence_url or f"http://{self.presence_bind}").rstrip("/")

    def media_base(self) -> str:
        return (self.media_url or f"http://{self.media_bind}").rstrip("/")

    def signal_name(self) -> str:
        """What an app gives the Voice SDK as `chunderw`."""
        return self.signal_host or f"localhost:{self.signal_bind.rpartition(':')[2]}"

    def rtp_ports(self) -> tuple[int, int]:
        """First and last UDP port of phone legs; ValueError when the range is none."""
        first, _, last = self.voice_rtp_ports.partition("-")
        if not (first.isdigit() and last.isdigit() and 1024 <= int(first) < int(last) <= 65535):
            raise ValueError(f"{self.voice_rtp_ports!r} is not a range such as 20000-24000")
        return int(first), int(last)

    def database_url(self, server: str) -> str:
        """The database of `router` or `presence`."""
        given: str = getattr(self, f"{server}_database_url")
        return given or f"sqlite:///{(self.data_dir / f'{server}.sqlite3').resolve()}"


def address(bind: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` as a pair; ValueError when it is neither."""
    match = ADDRESS.fullmatch(bind)
    if match is None or int(match[3]) > 65535:
        raise ValueError(f"{bind!r} is not host:port, such as 127.0.0.1:8080")
    return match[1] or match[2], int(match[3])


def load() -> Settings:
    """Reads the environment; SettingsError names every wrong or unknown variable at once."""
    env = Env(eager=False, prefix=PREFIX)
    values: dict[str, Any] = {}
    for option in dataclasses.fields(Settings):
        read = getattr(env, option.metadata["read"])
        given = read(option.name.upper(), option.default, **option.metadata["options"])
        values[option.name] = tuple(filter(None, given)) if isinstance(given, list) else given
    known = {PREFIX + name.upper() for name in values}
    faults = [
        f"{name}: no such setting{_near(name, known)}"
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in known
    ]
    try:
        env.seal()
    except EnvValidationError as error:
        reasons: Any = error.error_messages
        for name, why in reasons.items():
            option = name.removeprefix(PREFIX).lower()
            said = allowed(option) or " ".join(map(str, why))
            faults.append(f"{name}: {os.environ.get(name, '')!r} is not {said}")
            values.pop(option)  # so that the rest can still be judged
    faults += _faults(Settings(**values))
    if faults:
        raise SettingsError("Wrong settings:\n  " + "\n  ".join(faults))
    return Settings(**values)


def allowed(name: str) -> str:
    """What a setting takes that is no text, in words; empty for a text."""
    metadata = next(option.metadata for option in dataclasses.fields(Settings) if option.name == name)
    kind, rule = metadata["read"], metadata["options"].get("validate")
    if isinstance(rule, OneOf):
        return f"one of {', '.join(map(str, rule.choices))}"
    if kind == "bool":
        return "true or false"
    words = {"int": "a whole number", "float": "a number"}.get(kind, "")
    if isinstance(rule, Range):
        words += f" from {rule.min:,}" if rule.max is not None else f" of at least {rule.min:,}"
        words += f" to {rule.max:,}" if rule.max is not None else ""
    return words


def _near(name: str, known: Collection[str]) -> str:
    """The setting that was probably meant."""
    found = difflib.get_close_matches(name, known, 1, 0.85)
    return f"; did you mean {found[0]}?" if found else "; `callrouter settings` lists them"


def _faults(settings: Settings) -> list[str]:
    """What is wrong with settings whose types are right."""
    faults = []
    for name in (
        "router_bind",
        "presence_bind",
        "signal_bind",
        "voice_control",
        "media_bind",
        "voice_metrics_bind",
    ):
        try:
            if name not in ("signal_bind", "voice_metrics_bind") or getattr(settings, name) != "off":
                address(getattr(settings, name))
        except ValueError as error:
            faults.append(f"{PREFIX}{name.upper()}: {error}")
    for name in ("router_url", "presence_url", "presence_node_url", "media_url"):
        if (url := getattr(settings, name)) and not _is_web_url(url):
            faults.append(f"{PREFIX}{name.upper()}: {url!r} is not a URL such as https://calls.example.com")
    kind, _, line = (engine := settings.speech_engine).partition(":")
    if not (engine in ("auto", "espeak", "none") or (kind == "command" and line) or _is_web_url(engine)):
        faults.append(f"{PREFIX}SPEECH_ENGINE: {engine!r} is not auto, espeak, none, command:… or a URL")
    kind, _, line = (engine := settings.recognition_engine).partition(":")
    if not (
        engine in ("auto", "pocketsphinx", "none")
        or (kind == "command" and line)
        or _is_web_url(engine)
        or (kind in ("ws", "wss") and _is_web_url(engine.replace("ws", "http", 1)))
    ):
        faults.append(
            f"{PREFIX}RECOGNITION_ENGINE: {engine!r} is not auto, pocketsphinx, none, command:… or a URL"
        )
    if settings.log_level.lower() not in LEVELS:
        faults.append(f"{PREFIX}LOG_LEVEL: {settings.log_level!r} is not one of {', '.join(LEVELS)}")
    try:
        ipaddress.ip_address(settings.voice_address)
    except ValueError:
        faults.append(
            f"{PREFIX}VOICE_ADDRESS: {settings.voice_address!r} is not an IP address such as 192.0.2.7"
        )
    try:
        settings.rtp_ports()
    except ValueError as error:
        faults.append(f"{PREFIX}VOICE_RTP_PORTS: {error}")
    if any(len(key) < SHORTEST_KEY for key in settings.secret_keys):
        faults.append(f"{PREFIX}SECRET_KEYS: each key needs at least {SHORTEST_KEY} characters")
    if settings.operator_key and len(settings.operator_key) < SHORTEST_KEY:
        faults.append(f"{PREFIX}OPERATOR_KEY: it needs at least {SHORTEST_KEY} characters")
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        faults.append(f"{PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY go together")
    for name, kind in (("stun_urls", "stun"), ("turn_urls", "turn")):
        for url in getattr(settings, name):
            if not ICE_URL.fullmatch(url) or not url.startswith(kind):
                faults.append(f"{PREFIX}{name.upper()}: {url!r} is not a URL such as {kind}:example.com:3478")
    if bool(settings.turn_urls) != bool(settings.turn_secret):
        faults.append(f"{PREFIX}TURN_URLS and {PREFIX}TURN_SECRET go together")
    if settings.database_url("router") == settings.database_url("presence"):
        faults.append("the router and the presence server need databases of their own")
    return faults


def _is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def reference() -> str:
    """The settings as a Markdown table."""
    rows = []
    for option in dataclasses.fields(Settings):
        default = "" if option.default in ("", ()) else f"`{str(option.default).lower()}`"
        rows.append(f"| `{PREFIX}{option.name.upper()}` | {default} | {option.metadata['help']} |")
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])


if __name__ == "__main__":
    print(reference())
