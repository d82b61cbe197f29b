"""The deployment's keys: one purpose each, rotating, closed to forgers (reliability-security 4.4, 4.6)."""

import base64
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.keys import SKEW, Keys, KeysUnusable, TokenRefused, load_keys
from foundation.settings import Settings

OLD, NEW, OTHER = "old " * 10, "new " * 10, "other " * 10
CLAIMS = {"sub": "alice", "n": 1}


def keys_at(seconds: float, *master: str) -> Keys:
    """Keys whose clock is that many seconds ahead of the signer's."""
    return Keys(master or (NEW,), clock=lambda: datetime.now(UTC) + timedelta(seconds=seconds))


def test_a_token_carries_its_claims() -> None:
    keys = Keys([NEW])
    assert keys.verify("ring", keys.sign("ring", CLAIMS), 60) == CLAIMS


def test_purposes_do_not_mix() -> None:
    keys = Keys([NEW])
    with pytest.raises(TokenRefused):
        keys.verify("reconnect", keys.sign("ring", CLAIMS), 60)


def test_rotation_keeps_old_tokens_and_signs_with_the_new_key() -> None:
    rotated = Keys([NEW, OLD])
    assert rotated.verify("ring", Keys([OLD]).sign("ring", CLAIMS), 60) == CLAIMS
    assert Keys([NEW]).verify("ring", rotated.sign("ring", CLAIMS), 60) == CLAIMS
    with pytest.raises(TokenRefused):
        Keys([OLD]).verify("ring", rotated.sign("ring", CLAIMS), 60)


def test_rotation_keeps_sealed_secrets() -> None:
    sealed = Keys([OLD]).seal("auth token")
    assert Keys([NEW, OLD]).open(sealed) == "auth token"
    assert Keys([NEW]).open(Keys([NEW, OLD]).seal("auth token")) == "auth token"
    with pytest.raises(KeysUnusable, match="not configured"):
        Keys([OTHER]).open(sealed)


def test_age_ends_a_token() -> None:
    token = Keys([NEW]).sign("ring", CLAIMS)
    assert keys_at(58).verify("ring", token, 60) == CLAIMS
    with pytest.raises(TokenRefused, match="expired"):
        keys_at(62).verify("ring", token, 60)


def test_i16_clocks_may_differ_a_little_but_not_more() -> None:
    token = Keys([NEW]).sign("ring", CLAIMS)
    assert keys_at(-SKEW + 2).verify("ring", token, 60) == CLAIMS
    with pytest.raises(TokenRefused, match="future"):
        keys_at(-SKEW - 2).verify("ring", token, 60)


@given(st.data())
def test_no_changed_token_passes(data: st.DataObject) -> None:
    keys = Keys([NEW])
    token = keys.sign("ring", CLAIMS)
    at = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters())
    forged = token[:at] + character + token[at + 1 :]
    if _bits(forged) == _bits(token):  # base64 spells the last bits of a part in several ways
        return
    with pytest.raises(TokenRefused):
        keys.verify("ring", forged, 60)


def test_text_that_has_no_bytes_is_refused_like_any_other() -> None:
    with pytest.raises(TokenRefused):
        Keys([NEW]).verify("ring", "\ud800", 60)


def _bits(token: str) -> list[bytes] | str:
    try:
        return [base64.urlsafe_b64decode(part + b"===") for part in token.encode("ascii").split(b".")]
    except ValueError:
        return token


@pytest.mark.parametrize("token", ["", ".", "..", "é" * 30, "\x00", "a" * 10_000, "eyJ9.e.e"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(TokenRefused):
        Keys([NEW]).verify("ring", token, 60)


def test_a_signed_value_that_is_no_object_is_refused() -> None:
    keys = Keys([NEW])
    with pytest.raises(TokenRefused):
        keys.verify("ring", keys.sign("ring", ["alice"]), 60)  # type: ignore[arg-type]


@pytest.mark.parametrize("sealed", ["", "x", "gAAAAAB" + "A" * 80, "Ü"])
def test_a_damaged_secret_is_the_operators_matter(sealed: str) -> None:
    with pytest.raises(KeysUnusable):
        Keys([NEW]).open(sealed)


def test_derived_secrets_differ_by_purpose_and_key() -> None:
    derived = {Keys([key]).derive(purpose) for key in (OLD, NEW) for purpose in ("voice", "other")}
    assert len(derived) == 4
    assert Keys([NEW, OLD]).derive("voice") == Keys([NEW]).derive("voice")


def test_no_key_fails_closed(tmp_path: Path) -> None:
    with pytest.raises(KeysUnusable, match="CALLROUTER_SECRET_KEYS"):
        Keys([])
    (tmp_path / "secret.key").write_text("\n")
    with pytest.raises(KeysUnusable):
        load_keys(Settings(data_dir=tmp_path))


def test_configured_keys_leave_no_file(tmp_path: Path) -> None:
    load_keys(Settings(data_dir=tmp_path, secret_keys=(NEW,)))
    assert list(tmp_path.iterdir()) == []


STARTER = """
import sys, time
from pathlib import Path
from foundation.keys import load_keys
from foundation.settings import Settings
time.sleep(max(0, float(sys.argv[2]) - time.time()))
print(load_keys(Settings(data_dir=Path(sys.argv[1]))).derive("race"))
"""


def test_processes_that_start_together_make_one_key_file(tmp_path: Path) -> None:
    folder, together = tmp_path / "var", str(time.time() + 1.5)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(folder), together], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    derived = {racer.communicate(timeout=60)[0] for racer in racers}
    assert len(derived) == 1
    assert derived != {""}
    assert [path.name for path in folder.iterdir()] == ["secret.key"]
    assert stat.S_IMODE((folder / "secret.key").stat().st_mode) == 0o600
    assert load_keys(Settings(data_dir=folder)).derive("race") == derived.pop().strip()
