"""STOP, START and HELP (twilio-surface 3)."""

import pytest

from callrouter.messages.keywords import WORDS, OptWord, opt_word


@pytest.mark.parametrize("word", list(WORDS))
@pytest.mark.parametrize("spelt", ["{}", " {}\r\n", "{}.", "“{}”", '"{}"'])
def test_a_word_alone_counts_in_any_case(word: str, spelt: str) -> None:
    for cased in (word, word.lower(), word.capitalize()):
        assert opt_word(spelt.format(cased)) is WORDS[word]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("stop", OptWord.STOP),
        ("ＳＴＯＰ", OptWord.STOP),
        ("Yes!", OptWord.START),
        ("info", OptWord.HELP),
        ("", None),
        ("...", None),
        ("stop it", None),
        ("please stop", None),
        ("stop all", None),
        ("STOPPED", None),
        ("st\nop", None),
        ("stop" + " " * 1600, None),
    ],
)
def test_words_and_sentences(body: str, word: OptWord | None) -> None:
    assert opt_word(body) is word
