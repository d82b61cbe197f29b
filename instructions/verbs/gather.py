from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from instructions import commands
from instructions.attributes import (
    FLAG,
    KEY,
    LANGUAGE,
    METHOD,
    THIS_DOCUMENT,
    URL,
    Kind,
    attribute,
    choice,
    count,
    either,
    seconds,
    text,
    words,
)
from instructions.commands import (
    CancelTimer,
    Command,
    Fault,
    Listen,
    PartialCallback,
    SetTimer,
    StopListening,
    StopSounds,
)
from instructions.elements import Problem, Verb, unresolved
from instructions.events import DigitsReceived, Event, SoundEnded, SpeechHeard, SpeechStarted, TimerFired
from instructions.outcomes import Call, Goto, Memory, Next, Outcome, Wait
from instructions.verbs.pause import Pause
from instructions.verbs.play import Play
from instructions.verbs.say import Say
from instructions.verbs.sounding import Sounding

MAX_DIGITS = 1000
"""As many as `numDigits` can ask for: whoever leans on the keypad must not fill the state."""
MAX_HINTS, LONGEST_HINT = 500, 100
AUTO_SILENCE = 1.0
"""Seconds of quiet after speech that end it when `speechTimeout` is auto."""
UNDERSTANDING = 15
"""Seconds that recognition may take after the speech: then nobody will tell us what was said."""


def _hints(value: str) -> tuple[str, ...]:
    hints = tuple(hint for part in value.split(",") if (hint := " ".join(part.split())))
    if len(hints) > MAX_HINTS or any(len(hint) > LONGEST_HINT for hint in hints):
        raise ValueError(f"expected {HINTS.name}")
    return hints


HINTS = Kind(
    name=f"at most {MAX_HINTS} phrases of at most {LONGEST_HINT} characters, with commas between",
    read=_hints,
    example="yes, no",
)


@dataclass(frozen=True, kw_only=True)
class GatherMemory(Memory):
    """`prompt` is the child that plays or pauses; past the last one only the caller is awaited."""

    prompt: int
    sound_id: str | None = None
    timer: str | None = None
    digits: str = ""
    listen: str | None = None
    """Set while speech counts: until a key was pressed, or the recogniser failed."""

    def hush(self) -> tuple[Command, ...]:
        """No prompt and no timer any more."""
        sound = (StopSounds(),) if self.sound_id else ()
        return (*sound, CancelTimer(timer=self.timer)) if self.timer else sound

    def leave(self) -> tuple[Command, ...]:
        return (*self.hush(), StopListening(listen=self.listen)) if self.listen else self.hush()


class Gather(Verb, nests=(Say, Play, Pause), nest_code=13320):
    """Collects key presses or speech, then asks `action` what to do next.

    The first key stops the prompts, and so does speech if `bargeIn`; without it, speech is heard after them.
    Whichever comes first, key or word, decides what is collected. Keys end with `numDigits`, with the finishing
    key, or `timeout` seconds after the last one; speech ends with `speechTimeout` (as `timeout`, if absent; auto:
    one second) of quiet, or after `maxSpeechTime`. Without input within `timeout` seconds after the last prompt,
    or when nothing was understood, the next verb runs. One recogniser serves every `speechModel`, `enhanced` or
    not, and filters no profanity.
    """

    input: tuple[str, ...] = attribute(words("dtmf", "speech"), default=("dtmf",), code=13326)
    action: str = attribute(URL, default=THIS_DOCUMENT, code=11100)
    method: str = attribute(METHOD, default="POST", code=13312)
    timeout: int = attribute(seconds(), default=5, code=13313)
    speech_timeout: int | str | None = attribute(either(seconds(), choice("auto")), default=None, code=13327)
    max_speech_time: int = attribute(seconds(1, 60), default=60, code=13328)
    profanity_filter: bool = attribute(FLAG, default=True, code=13333, acts=False)
    finish_on_key: str = attribute(KEY, default="#", code=13310)
    num_digits: int | None = attribute(count(1, MAX_DIGITS), default=None, code=13314)
    partial_result_callback: str | None = attribute(URL, default=None, code=11100)
    partial_result_callback_method: str = attribute(METHOD, default="POST", code=13329)
    language: str = attribute(LANGUAGE, default="en-US", code=13331)
    hints: tuple[str, ...] = attribute(HINTS, default=(), code=13330)
    barge_in: bool = attribute(FLAG, default=True, code=13332)
    debug: bool = attribute(FLAG, default=False, acts=False)
    action_on_empty_result: bool = attribute(FLAG, default=False, code=13338)
    speech_model: str = attribute(text(128), default="default", code=13334, acts=False)
    enhanced: bool = attribute(FLAG, default=False, acts=False)

    @property
    def takes_keys(self) -> bool:
        return "dtmf" in self.input

    @property
    def takes_speech(self) -> bool:
        return "speech" in self.input

    def check(self) -> Iterator[Problem]:
        if self.takes_speech and self.speech_timeout == "auto" and self.speech_model == "default":
            message = "<Gather speechTimeout> auto needs another speechModel than default: one second is used"
            yield Problem(code=13335, message=message, line=self.line)

    def begin(self, call: Call) -> Outcome:
        if not (self.takes_speech and self.barge_in):
            return self._prompt(call, 0)
        done: list[Command] = []
        return self._prompt(call, 0, done, listen=self._listen(call, done))

    def resume(self, call: Call, memory: Memory, event: Event) -> Outcome | None:
        if not isinstance(memory, GatherMemory):
            return None
        match event:
            case DigitsReceived(leg="", digits=pressed) if pressed and self.takes_keys:
                return self._press(call, memory, pressed)
            case SoundEnded(sound_id=ended) if ended == memory.sound_id:
                prompt = self.children[memory.prompt]
                failure = prompt.failure(call, event) if isinstance(prompt, Sounding) else ()
                return self._prompt(call, memory.prompt + 1, failure, listen=memory.listen)
            case TimerFired(timer=timer) if timer == memory.timer:
                if memory.prompt < len(self.children):
                    return self._prompt(call, memory.prompt + 1, listen=memory.listen)
                return self._end(memory.digits, "timeout", replace(memory, timer=None).leave())
            case SpeechStarted(listen=listen) if listen == memory.listen and memory.timer != _patience(call):
                length = self.max_speech_time + int(self._silence()) + UNDERSTANDING
                return self._await(call, _patience(call), length, memory.hush(), listen=listen)
            case SpeechHeard(listen=listen) if listen == memory.listen:
                if event.failed:
                    return self._misheard(call, memory, event)
                return self._understood(event, memory.hush())
        return None

    # -- prompts

    def _prompt(
        self, call: Call, first: int, before: Sequence[Command] = (), *, listen: str | None = None
    ) -> Outcome:
        """Go on with child number `first`, or with waiting for the caller when there is none."""
        done = [*before]
        for index, prompt in enumerate(self.children[first:], first):
            name = f"{call.place}-{index}"
            if isinstance(prompt, Pause) and prompt.length:
                return self._await(call, f"pause-{name}", prompt.length, done, prompt=index, listen=listen)
            if isinstance(prompt, Sounding) and (command := prompt.play(call, f"sound-{name}")):
                done.append(command)
                if isinstance(command, commands.Play):
                    memory = GatherMemory(prompt=index, sound_id=command.sound_id, listen=listen)
                    return Wait(memory=memory, commands=tuple(done))
        if self.takes_speech and not self.barge_in:
            listen = self._listen(call, done)
        if not self.takes_keys and not listen:
            return self._end("", "timeout", tuple(done))
        return self._await(call, f"gather-{call.place}-0", self.timeout, done, listen=listen)

    def _await(
        self,
        call: Call,
        timer: str,
        length: int,
        done: Sequence[Command],
        *,
        prompt: int | None = None,
        digits: str = "",
        listen: str | None = None,
    ) -> Wait:
        """Wait for the caller until the timer, past all prompts or in one that is a pause."""
        prompt = len(self.children) if prompt is None else prompt
        memory = GatherMemory(prompt=prompt, timer=timer, digits=digits, listen=listen)
        return Wait(memory=memory, commands=(*done, SetTimer(timer=timer, seconds=length)))

    # -- keys

    def _press(self, call: Call, memory: GatherMemory, pressed: str) -> Outcome:
        digits = memory.digits
        for key in pressed:
            if key == self.finish_on_key:
                return self._end(digits, key, memory.leave())
            digits += key
            if len(digits) == (self.num_digits or MAX_DIGITS):
                return self._end(digits, "", memory.leave())
        timer = f"gather-{call.place}-{len(digits)}"
        return self._await(call, timer, self.timeout, memory.leave(), digits=digits)

    # -- speech

    def _silence(self) -> float:
        if self.speech_timeout == "auto":
            return AUTO_SILENCE
        return float(self.timeout if self.speech_timeout is None else self.speech_timeout)

    def _listen(self, call: Call, done: list[Command]) -> str:
        """Begin to listen; the name of it."""
        listen = Listen(
            listen=f"listen-{call.place}",
            language=self.language,
            hints=self.hints,
            silence=self._silence(),
            longest=self.max_speech_time,
            partial=self._partial(call, done),
        )
        done.append(listen)
        return listen.listen

    def _partial(self, call: Call, notices: list[Command]) -> PartialCallback | None:
        if not self.partial_result_callback:
            return None
        url = call.resolve(self.partial_result_callback)
        if url is None:
            notices.append(unresolved(self, "partialResultCallback", self.partial_result_callback, call))
            return None
        return PartialCallback(url=url, method=self.partial_result_callback_method)

    def _understood(self, heard: SpeechHeard, done: tuple[Command, ...]) -> Outcome:
        if not heard.text:
            return self._end("", "timeout", done)
        params = (("SpeechResult", heard.text), ("Confidence", str(round(heard.confidence, 4))))
        return Goto(url=self.action, method=self.method, params=params, commands=done)

    def _misheard(self, call: Call, memory: GatherMemory, heard: SpeechHeard) -> Outcome:
        """The recogniser failed: prompts play on, and keys still count."""
        message = f"<Gather> could not recognise speech: {heard.reason}"
        fault = Fault(code=heard.code, message=message, line=self.line, url=call.url)
        waits = memory.prompt < len(self.children) or self.takes_keys
        if not waits:
            return self._end("", "timeout", (fault, *memory.hush()))
        if memory.timer == _patience(call):
            timer = f"again-{call.place}"
            return self._await(call, timer, self.timeout, (fault, *memory.hush()))
        return Wait(memory=replace(memory, listen=None), commands=(fault,))

    # -- the end

    def _end(self, digits: str, finished_on: str, done: tuple[Command, ...] = ()) -> Outcome:
        if not digits and not self.action_on_empty_result:
            return Next(commands=done)
        params = [("Digits", digits), ("FinishedOnKey", finished_on)] if self.takes_keys else []
        if self.takes_speech and not digits:
            params.append(("SpeechResult", ""))
        return Goto(url=self.action, method=self.method, params=tuple(params), commands=done)


def _patience(call: Call) -> str:
    """The timer that runs while the caller speaks and is understood."""
    return f"speech-{call.place}"
