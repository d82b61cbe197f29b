"""Fixtures of the outbound tests: a fetcher that may call this machine, and scripted origins."""

from collections.abc import Callable, Iterator

import pytest

from foundation.outbound import Fetcher
from tests.support.origin import Origin, reply

HELLO = reply(body=b"<Response/>")


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    fetcher = Fetcher(allow=["127.0.0.0/8", "localhost"])
    yield fetcher
    fetcher.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Origin]]:
    """Starts origins that are closed at the end."""
    origins: list[Origin] = []

    def start(answers: object = HELLO, **kwargs: object) -> Origin:
        same_for_all = isinstance(answers, list)
        origins.append(Origin((lambda _: answers) if same_for_all else answers, **kwargs))  # type: ignore[arg-type]
        return origins[-1]

    yield start
    for origin in origins:
        origin.close()
