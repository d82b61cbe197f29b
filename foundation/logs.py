"""Structured logs: columns for people, JSON for machines, and no secret in either."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from foundation.settings import Settings

HIDDEN = "[hidden]"
SECRET_NAMES = re.compile(r"token|secret|password|authorization|signature|api_?key|cookie|sdp", re.IGNORECASE)
IN_TEXT = (
    (re.compile(r"v=0(?:[\r\n]|\\r|\\n).*", re.DOTALL), "[sdp]"),
    (re.compile(r"(?<=://)[^/@\s]+@"), f"{HIDDEN}@"),
    (re.compile(r"(?:eyJ|\.eJ)[\w-]+\.[\w-]+\.[\w-]+"), "[token]"),
    (re.compile(r"\b(basic|bearer)\s+[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (
        re.compile(
            r"(token|secret|password|authorization|signature|api_?key|cookie)"
            r"(['\"]?\s*[:=]\s*['\"]?)(?!\[|basic |bearer )[^\s'\",;&]+",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hides values of secret names at any depth, and credentials, tokens and SDP in free text.

    Control characters come out escaped, so that nobody's input can forge a line or move a terminal's cursor;
    a traceback keeps its line ends and is indented (ASVS 16.2.5, reliability-security 4.16).
    """
    for name, value in event.items():
        if name in ("exception", "stack"):
            event[name] = _escaped(_without_secrets(str(value)), keep="\n").replace("\n", "\n  ")
        elif name != "_record":  # of a library's log; it is not rendered
            event[name] = HIDDEN if SECRET_NAMES.search(name) else _clean(value)
    return event


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        named = {str(name): inner for name, inner in value.items()}
        return {_clean(n): HIDDEN if SECRET_NAMES.search(n) else _clean(inner) for n, inner in named.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner) for inner in value]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    return _escaped(_without_secrets(value if isinstance(value, str) else repr(value)))


def _without_secrets(text: str) -> str:
    for pattern, instead in IN_TEXT:
        text = pattern.sub(instead, text)
    return text


def _escaped(text: str, keep: str = "") -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else repr(char)[1:-1] for char in text)


def configure(settings: Settings, process: str) -> None:
    """Sends our logs and the libraries' to standard error, tagged with the process's name."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())

    def tag(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    shared: list[Any] = [
        tag,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if console
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in ("alembic", "uvicorn.access", "websockets", "urllib3", "aioice", "aiortc"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for teller in ("urllib3.connection", "uvicorn.error"):
        logging.getLogger(teller).setLevel(logging.ERROR)  # they would write URLs with their queries
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
