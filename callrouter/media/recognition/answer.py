"""What an engine outside answered, believed only as far as it makes sense."""

from __future__ import annotations

import json
import re
from typing import Any

from callrouter.media.recognition.recogniser import ENGINE_FAILED, NOTHING, Heard, RecognitionFailed

MOST_BYTES = 64_000
MOST_CHARACTERS = 10_000
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]+")


def heard(answer: bytes | str, *, plain: bool = False) -> Heard:
    """From `{"text", "confidence"}`, or with `plain` from the words alone. Without a confidence it is sure.

    vosk's answers are taken too: a confidence for each word, in `result`.
    """
    if len(answer) > MOST_BYTES:
        raise _rubbish(f"more than {MOST_BYTES} bytes")
    try:
        said = answer.decode() if isinstance(answer, bytes) else answer
        if plain and not said.lstrip().startswith("{"):
            return _heard(said, 1.0)
        found = json.loads(said)
    except ValueError as error:
        raise _rubbish("neither text nor JSON" if plain else "no JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get("text"), str):
        raise _rubbish('JSON without a string "text"')
    return _heard(found["text"], _confidence(found))


def joined(parts: list[tuple[Heard, float]]) -> Heard:
    """One after the other; each counts by its weight for the confidence."""
    said = [(part, weight) for part, weight in parts if part.text]
    if not said:
        return NOTHING
    total = sum(weight for _, weight in said)
    sure = sum(part.confidence * weight for part, weight in said) / total
    return Heard(text=" ".join(part.text for part, _ in said), confidence=round(sure, 3))


def _heard(text: str, confidence: float) -> Heard:
    words = _SPACE.sub(" ", text).strip()
    if len(words) > MOST_CHARACTERS:
        raise _rubbish(f"more than {MOST_CHARACTERS} characters")
    return Heard(text=words, confidence=confidence) if words else NOTHING


def _confidence(found: dict[str, Any]) -> float:
    given = found.get("confidence")
    if given is None and isinstance(words := found.get("result"), list) and words:
        each = [word.get("conf") for word in words if isinstance(word, dict)]
        numbers = [one for one in each if isinstance(one, int | float)]
        given = sum(numbers) / len(numbers) if numbers else None
    if given is None:
        return 1.0
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise _rubbish(f"the confidence {str(given)[:40]!r}, which is no number from 0 to 1")
    return float(given)


def _rubbish(what: str) -> RecognitionFailed:
    return RecognitionFailed(
        ENGINE_FAILED, f"The recognition engine's answer cannot be used: {what}. The fault is the engine's."
    )
