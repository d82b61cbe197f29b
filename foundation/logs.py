"""Structured logs: columns for people, JSON for machines, and no secret in either."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from foundation.settings import Settings

SECRET_NAMES = re.compile(r"token|secret|password|authorization|signature|api_?key|cookie|sdp", re.IGNORECASE)
USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hides values of secret names, credentials in URLs, and tokens in free text (ASVS 16.2.5)."""
    for name, value in event.items():
        if SECRET_NAMES.search(name):
            event[name] = "[hidden]"
        elif isinstance(value, str):
            clean = JWT.sub("[token]", USERINFO.sub("[hidden]@", value))
            event[name] = clean if clean.isprintable() or name == "exception" else repr(clean)[1:-1]
    return event


def configure(settings: Settings, process: str) -> None:
    """Sends our logs and the libraries' to standard error, tagged with the process's name."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
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
    for noisy in ("uvicorn.access", "websockets", "urllib3", "aioice", "aiortc"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for teller in ("urllib3.connection", "uvicorn.error"):
        logging.getLogger(teller).setLevel(logging.ERROR)  # they would write URLs with their queries
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)
