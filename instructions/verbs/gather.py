from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from instructions import commands
from instructions.attributes import (
    FLAG,
    KEY,
    LANGUAGE,
    METHOD,
    THIS_DOCUMENT,
    URL,
    attribute,
    choice,
    count,
    either,
    seconds,
    text,
    words,
)
from instructions.commands import CancelTimer, Command, SetTimer, StopSounds, Warn
from instructions.elements import Verb
from instructions.errors import NOT_ACTING
from instructions.events import DigitsReceived, Event, SoundEnded, TimerFired
from instructions.outcomes import Call, Goto, Memory, Next, Outcome, Wait
from instructions.verbs.pause import Pause
from instructions.verbs.play import Play
from instructions.verbs.say import Say
from instructions.verbs.sounding import Sounding

MAX_DIGITS = 1000
"""As many as `numDigits` can ask for: whoever leans on the keypad must not fill the state."""


@dataclass(frozen=True, kw_only=True)
class GatherMemory(Memory):
    """`prompt` is the child that plays or pauses; past the last one only keys are awaited."""

    prompt: int
    sound_id: str | None = None
    timer: str | None = None
    digits: str = ""

    def leave(self) -> tuple[Command, ...]:
        sound = (StopSounds(),) if self.sound_id else ()
        return (*sound, CancelTimer(timer=self.timer)) if self.timer else sound


class Gather(Verb, nests=(Say, Play, Pause), nest_code=13320):
    """Collects key presses or speech, then asks `action` what to do next.

    The first key stops the prompts. The input ends with `numDigits` keys, with the finishing key, or
    `timeout` seconds after the last key or, before any key, after the last prompt. Without input the next
    verb runs.
    """

    input: tuple[str, ...] = attribute(words("dtmf", "speech"), default=("dtmf",), code=13326)
    action: str = attribute(URL, default=THIS_DOCUMENT, code=11100)
    method: str = attribute(METHOD, default="POST", code=13312)
    timeout: int = attribute(seconds(), default=5, code=13313)
    speech_timeout: int | str | None = attribute(
        either(seconds(), choice("auto")), default=None, code=13327, acts=False
    )
    max_speech_time: int = attribute(seconds(1, 60), default=60, code=13328, acts=False)
    profanity_filter: bool = attribute(FLAG, default=True, code=13333, acts=False)
    finish_on_key: str = attribute(KEY, default="#", code=13310)
    num_digits: int | None = attribute(count(1, MAX_DIGITS), default=None, code=13314)
    partial_result_callback: str | None = attribute(URL, default=None, code=11100, acts=False)
    partial_result_callback_method: str = attribute(METHOD, default="POST", code=13329, acts=False)
    language: str = attribute(LANGUAGE, default="en-US", code=13331, acts=False)
    hints: str | None = attribute(text(50_500), default=None, code=13330, acts=False)
    barge_in: bool = attribute(FLAG, default=True, code=13332, acts=False)
    debug: bool = attribute(FLAG, default=False, acts=False)
    action_on_empty_result: bool = attribute(FLAG, default=False, code=13338)
    speech_model: str = attribute(text(128), default="default", code=13334, acts=False)
    enhanced: bool = attribute(FLAG, default=False, acts=False)

    @property
    def takes_keys(self) -> bool:
        return "dtmf" in self.input

    def begin(self, call: Call) -> Outcome:
        if "speech" not in self.input:
            return self._prompt(call, 0)
        message = f"<Gather> does not hear speech yet: {'only keys' if self.takes_keys else 'no input'} count"
        return self._prompt(call, 0, (Warn(code=NOT_ACTING, message=message, line=self.line, url=call.url),))

    def resume(self, call: Call, memory: Memory, event: Event) -> Outcome | None:
        if not isinstance(memory, GatherMemory):
            return None
        match event:
            case DigitsReceived(leg="", digits=pressed) if pressed and self.takes_keys:
                return self._press(call, memory, pressed)
            case SoundEnded(sound_id=ended) if ended == memory.sound_id:
                prompt = self.children[memory.prompt]
                failure = prompt.failure(call, event) if isinstance(prompt, Sounding) else ()
                return self._prompt(call, memory.prompt + 1, failure)
            case TimerFired(timer=timer) if timer == memory.timer:
                if memory.prompt < len(self.children):
                    return self._prompt(call, memory.prompt + 1)
                return self._end(memory.digits, "timeout")
        return None

    def _prompt(self, call: Call, first: int, before: tuple[Command, ...] = ()) -> Outcome:
        """Go on with child number `first`, or with waiting for keys when there is none."""
        done = [*before]
        for index, prompt in enumerate(self.children[first:], first):
            name = f"{call.place}-{index}"
            if isinstance(prompt, Pause) and prompt.length:
                return _wait_for_timer(f"pause-{name}", prompt.length, done, prompt=index)
            if isinstance(prompt, Sounding) and (command := prompt.play(call, f"sound-{name}")):
                done.append(command)
                if isinstance(command, commands.Play):
                    memory = GatherMemory(prompt=index, sound_id=command.sound_id)
                    return Wait(memory=memory, commands=tuple(done))
        if not self.takes_keys:
            return self._end("", "timeout", tuple(done))
        return self._await_key(call, done)

    def _press(self, call: Call, memory: GatherMemory, pressed: str) -> Outcome:
        digits = memory.digits
        for key in pressed:
            if key == self.finish_on_key:
                return self._end(digits, key, memory.leave())
            digits += key
            if len(digits) == (self.num_digits or MAX_DIGITS):
                return self._end(digits, "", memory.leave())
        return self._await_key(call, memory.leave(), digits)

    def _await_key(self, call: Call, done: Sequence[Command], digits: str = "") -> Wait:
        timer = f"gather-{call.place}-{len(digits)}"
        return _wait_for_timer(timer, self.timeout, done, prompt=len(self.children), digits=digits)

    def _end(self, digits: str, finished_on: str, done: tuple[Command, ...] = ()) -> Outcome:
        if not digits and not self.action_on_empty_result:
            return Next(commands=done)
        params = [("Digits", digits), ("FinishedOnKey", finished_on)] if self.takes_keys else []
        if "speech" in self.input and not digits:
            params.append(("SpeechResult", ""))
        return Goto(url=self.action, method=self.method, params=tuple(params), commands=done)


def _wait_for_timer(
    timer: str, length: int, done: Sequence[Command], *, prompt: int, digits: str = ""
) -> Wait:
    memory = GatherMemory(prompt=prompt, timer=timer, digits=digits)
    return Wait(memory=memory, commands=(*done, SetTimer(timer=timer, seconds=length)))
