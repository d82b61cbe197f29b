"""Scenarios in Python, for tests of one's own app: what the pytest plug-in's `callrouter` is.

Methods wait until what they say has happened and answer with their object, so that they can be written in a row;
Differs is an assertion that failed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

from callrouter.scenario import expectations
from callrouter.scenario.app import ServedApp
from callrouter.scenario.clients import ClientEnd
from callrouter.scenario.deployment import LocalDeployment
from callrouter.scenario.ends import PATIENCE, End, PhoneEnd
from callrouter.scenario.faults import CannotPlay, Differs
from callrouter.scenario.ladders import as_text, ladders
from callrouter.scenario.world import World

T = TypeVar("T")

NUMBER = "+14155550199"
START_SECONDS = 30.0


class Runner:
    """An event loop on a thread of its own, for the ends' audio and for what is asked of them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, daemon=True, name="callrouter-scenario"
        )
        self._thread.start()

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs it there and waits. What differed is raised here, so that a test's traceback ends in the test."""
        __tracebackhide__ = True
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except (Differs, CannotPlay) as fault:
            raise type(fault)(str(fault)) from None

    def close(self) -> None:
        async def cancel() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self._loop.shutdown_asyncgens()
            await self._loop.shutdown_default_executor()

        self(cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Side:
    """One side of a call or a conversation: a phone or a client."""

    def __init__(self, run: Runner, end: End) -> None:
        self._run, self._end = run, end

    @property
    def name(self) -> str:
        return self._end.name

    def rings(self, within: float = PATIENCE) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.rings(within))

    def rings_for(self, seconds: float) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.rings_for(seconds))

    def does_not_ring(self, seconds: float = 2.0) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.does_not_ring(seconds))

    def stops_ringing(self, within: float = PATIENCE) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.stops_ringing(within))

    def answers(self) -> Self:
        """Answers what rings, or the next call that does."""
        __tracebackhide__ = True
        return self._do(self._end.answer())

    def rejects(self) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.reject())

    def is_connected(self, within: float = PATIENCE) -> Self:
        """The call that it placed is answered."""
        __tracebackhide__ = True
        return self._do(self._end.connected(within))

    def hears(self, what: str | float | Side, within: float = PATIENCE) -> Self:
        """Words of a `<Say>`, a tone in hertz, or another side, which makes a tone for it."""
        __tracebackhide__ = True
        if isinstance(what, Side):
            return self._do(self._end.hears_end(what._end, within))
        if isinstance(what, str):
            return self._do(self._end.hears(what, within))
        return self._do(self._end.hears_hertz(what, within))

    def does_not_hear(self, other: Side) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.does_not_hear(other._end))

    def hears_sound(self, within: float = PATIENCE) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.hears_sound(within))

    def hears_silence(self, within: float = PATIENCE) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.hears_silence(within))

    def presses(self, keys: str) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.press(keys))

    def says(self, words: str) -> Self:
        """Speaks them, in English; needs `callrouter[tts]`."""
        __tracebackhide__ = True
        return self._do(self._end.say(words))

    def plays(self, file: str | Path) -> Self:
        """A WAV file."""
        __tracebackhide__ = True
        return self._do(self._end.play(Path(file)))

    def hangs_up(self) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.hang_up())

    def is_hung_up(self, within: float = PATIENCE) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.hung_up(within))

    def gets_text(self, words: str, from_: str | None = None, within: float = PATIENCE) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.gets_text(words, from_, within))

    def gets_no_text(self, seconds: float = 2.0) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.gets_no_text(seconds))

    def _do(self, work: Coroutine[Any, Any, object]) -> Self:
        __tracebackhide__ = True
        self._run(work)
        return self


class Phone(Side):
    """A phone somewhere in the world, which the simulated carrier reaches."""

    _end: PhoneEnd

    def texts(self, number: str, body: str) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.texts(number, body))

    def is_busy(self) -> Self:
        """Answers what rings, or the next call, with the busy signal."""
        __tracebackhide__ = True
        return self._do(self._end.busy())

    def gets_busy(self, within: float = PATIENCE) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.gets_busy(within))

    def gets_rejected(self, within: float = PATIENCE) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.gets_rejected(within))


class Client(Side):
    """A client app, such as a page with the Voice SDK."""

    _end: ClientEnd

    def calls(self, to: str) -> Self:
        """Through the TwiML application that `clients_run` named."""
        __tracebackhide__ = True
        return self._do(self._end.calls(to))

    def texts(self, body: str, to: str = "") -> Self:
        """To a phone, or in the client's only session."""
        __tracebackhide__ = True
        return self._do(self._end.texts(to, body))

    def ignores(self) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.ignore())

    def leaves(self) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.leave())

    def registers(self) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.register())

    def sets_status(self, status: str) -> Self:
        __tracebackhide__ = True
        return self._do(self._end.set_status(status))


class Callrouter:
    """An account of a real callrouter on this machine, for one test."""

    def __init__(self, deployment: LocalDeployment) -> None:
        self._run = Runner()
        self._apps: list[ServedApp] = []
        try:
            self._world = World(deployment, "")
            self._run(self._world.__aenter__())
        except BaseException:
            self._run.close()
            raise
        self.url = deployment.router_url
        """for `client.api.base_url` of the twilio library"""
        self.account_sid = self._world.tenant.sid
        self.auth_token = self._world.tenant.auth_token

    def close(self) -> None:
        try:
            self._run(self._world.__aexit__(None, None, None))
        finally:
            self._run.close()
            for app in self._apps:
                app.close()

    # -- what there is

    def serve(self, app: Any) -> str:
        """Serves a WSGI app, such as a Flask app, on this machine: its URL. Paths are relative to the latest."""
        self._apps.append(ServedApp(app))
        self._world.app_url = self._apps[-1].url
        return self._world.app_url

    def number(
        self,
        number: str = NUMBER,
        *,
        voice_url: str = "/voice",
        sms_url: str = "/sms",
        status_callback: str = "",
        fallback_url: str = "",
    ) -> str:
        """A phone number of the account; URLs may be paths of the app that is served."""
        __tracebackhide__ = True
        paths = {"voice": voice_url, "texts": sms_url, "status": status_callback, "fallback": fallback_url}
        self._checked(paths)
        try:
            self._world.number(number, **{name: path for name, path in paths.items() if path})
        except CannotPlay as refused:
            raise CannotPlay(str(refused)) from None
        return number

    def clients_run(self, voice_url: str) -> str:
        """The document of calls that clients place from now on; the SID of its TwiML application."""
        __tracebackhide__ = True
        self._checked({"voice": voice_url})
        self._world.clients_run(voice_url)
        return self._world.application_sid or ""

    def client(self, name: str, *, messages: bool = False) -> Client:
        """A client that is registered; with `messages` it can write and be written to."""
        __tracebackhide__ = True
        end = self._world.client(name, texting=messages)
        self._run(end.register())
        return Client(self._run, end)

    def phone(self, number: str) -> Phone:
        """A phone, for calls and messages that the app sends there."""
        return Phone(self._run, self._world.phone(number))

    # -- what happens

    def call(self, from_: str, to: str = NUMBER) -> Phone:
        """A phone calls a number of the account."""
        __tracebackhide__ = True
        phone = self.phone(from_)
        self._run(self._world.phone(from_).calls(to))
        return phone

    def text(self, from_: str, to: str, body: str) -> Phone:
        """A phone writes to a number of the account."""
        __tracebackhide__ = True
        return self.phone(from_).texts(to, body)

    # -- what must be true

    def expect_status(self, status: str) -> Self:
        """Of the latest call."""
        __tracebackhide__ = True
        return self._expect(expectations.call_status(self._world, status))

    def expect_dial_status(self, status: str) -> Self:
        """What became of its latest `<Dial>`."""
        __tracebackhide__ = True
        return self._expect(expectations.dial_status(self._world, status))

    def expect_message_status(self, status: str) -> Self:
        """Of the latest message."""
        __tracebackhide__ = True
        return self._expect(expectations.message_status(self._world, status))

    def expect_alert(self, code: int) -> Self:
        """A notification with Twilio's code."""
        __tracebackhide__ = True
        return self._expect(expectations.alert(self._world, str(code)))

    def expect_no_alerts(self) -> Self:
        __tracebackhide__ = True
        return self._expect(expectations.no_alerts(self._world))

    def expect_callback(self, path: str, status: str) -> Self:
        """The app was told this status of a call or a message there."""
        __tracebackhide__ = True
        return self._expect(expectations.callback(self._world, path, status))

    def expect_request(self, path: str, **parameters: str) -> Self:
        """The app was asked there, with these parameters."""
        __tracebackhide__ = True
        return self._expect(expectations.request(self._world, path, parameters))

    def expect_no_request(self, path: str) -> Self:
        __tracebackhide__ = True
        return self._expect(expectations.no_request(self._world, path))

    def ladders(self) -> str:
        """Who told whom what, in every call and message of the test."""
        return "\n\n".join(as_text(ladder).strip() for ladder in ladders(self._world))

    def _expect(self, work: Coroutine[Any, Any, None]) -> Self:
        __tracebackhide__ = True
        self._run(work)
        return self

    def _checked(self, paths: dict[str, str]) -> None:
        __tracebackhide__ = True
        if not self._world.app_url and any(path.startswith("/") for path in paths.values()):
            raise CannotPlay(
                "a path such as /voice needs an app: callrouter.serve(app) first, or give whole URLs"
            )
