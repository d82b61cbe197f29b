"""The app under test, served for each test, with its number."""

from __future__ import annotations

from typing import Any

import pytest
from app import app

NUMBER = "+14155550199"


@pytest.fixture
def router(callrouter: Any) -> Any:
    callrouter.serve(app)
    callrouter.number(NUMBER, voice_url="/voice", sms_url="/sms", status_callback="/status")
    return callrouter
