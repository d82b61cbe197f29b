"""What tests can use where it is installed: skipped where not, a failure where CI_REQUIRE_ALL=1 asks for all."""

import importlib.util
import os

import pytest

PACKAGES = {"sms": "smpp34", "tts": "espeakng_loader", "stt": "pocketsphinx"}


def needs(extra: str) -> None:
    """For a test, or the top of its file: goes on only with `callrouter[extra]`."""
    if importlib.util.find_spec(PACKAGES[extra]) is not None:
        return
    reason = f"{PACKAGES[extra]} is not installed: pip install callrouter[{extra}]"
    if os.environ.get("CI_REQUIRE_ALL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason, allow_module_level=True)
