"""Carries messages to app servers: signed webhooks, at least once and in order (PR-40, PR-43).

Each webhook that this process has the lease of is a subscriber of the feed, with a task of its own. A message is POSTed
until it is answered 2xx, then the cursor moves; what happens meanwhile waits merged, or becomes a snapshot.
"""

import asyncio
import hashlib
import random
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import structlog
from prometheus_client import Counter

from foundation.outbound.errors import OutboundError
from foundation.outbound.fetch import Fetcher
from foundation.outbound.message import CALLBACK_MAX_BYTES, OutboundRequest
from presence.access.directory import Directory
from presence.subscriptions import following
from presence.subscriptions.ending import Ended
from presence.subscriptions.feed import Feed
from presence.subscriptions.messages import Message
from presence.subscriptions.subscriber import Subscriber
from presence.subscriptions.webhooks import LEASE, Webhook, Webhooks, pause

log = structlog.get_logger(__name__)
T = TypeVar("T")

LOOK = 1.0  # seconds between looks for webhooks that are new, changed or nobody's
MOST = 2_000  # webhooks that one process carries
THREADS, AT_ONCE = 32, 4  # requests under way, and of one account
UNREADABLE_PAUSE = 5.0
SUSPENDED_PAUSE = 60.0
NOTED = 300.0  # seconds after which a cursor is stored although nothing had to be delivered
DELIVERIES = Counter("presence_webhooks_total", "Webhook requests about presence", ["result"])


@dataclass(eq=False)
class _Carried:
    webhook: Webhook
    task: asyncio.Task[None]


class Delivery:
    """The webhooks that this process carries; to be used on the feed's loop."""

    def __init__(
        self,
        feed: Feed,
        webhooks: Webhooks,
        directory: Directory,
        fetcher: Fetcher,
        node: str,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._feed, self._webhooks, self._directory = feed, webhooks, directory
        self._fetcher, self._node, self._jitter = fetcher, node, jitter
        self._carried: dict[str, _Carried] = {}
        self._leased_at = float("-inf")
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks")
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def run(self) -> None:
        """For ever: takes webhooks that nobody carries. Never dies of a database that is away."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                await self._look()
            except Exception as error:
                log.warning("webhooks could not be looked for; the next look follows", error=repr(error))
                if loop.time() > self._leased_at + LEASE:
                    self._keep_only({})  # another process may carry them by now
            await asyncio.sleep(LOOK)

    async def close(self) -> None:
        """Ends all deliveries and gives the webhooks back."""
        self._keep_only({})
        self._fetcher.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        try:
            await self._stored(self._webhooks.release(self._node))
        except Exception as error:
            log.warning("webhooks were not given back; their leases will end", error=repr(error))

    async def _look(self) -> None:
        loop, now = asyncio.get_running_loop(), self._feed.now()
        held, free = await asyncio.to_thread(self._webhooks.mine_and_free, self._node, now, MOST)
        if free or (held and loop.time() > self._leased_at + LEASE / 3):
            started = loop.time()
            held = await self._stored(self._webhooks.lease(self._node, [*held, *free], now))
            self._leased_at = started
        self._keep_only({one.sid: one for one in held})
        for one in held:
            if one.sid not in self._carried:
                self._carried[one.sid] = _Carried(one, loop.create_task(self._carry(one)))

    def _keep_only(self, held: dict[str, Webhook]) -> None:
        """Ends what this process carries no more, or what was changed or ended by itself."""
        for sid, carried in list(self._carried.items()):
            now = held.get(sid)
            if now is None or now.updated_at != carried.webhook.updated_at or carried.task.done():
                carried.task.cancel()
                del self._carried[sid]

    async def _carry(self, webhook: Webhook) -> None:
        """Until somebody else has it, or it was switched off."""
        try:
            await asyncio.sleep(webhook.due_at - self._feed.now())
            view = following.in_body({**webhook.view, "detail": webhook.detail}).by_server()
            cursor = None if webhook.snapshot else webhook.cursor
            subscriber = await self._feed.follow(webhook.account_sid, view, cursor=cursor)
            try:
                await self._deliver_all(webhook, subscriber)
            finally:
                self._feed.leave(subscriber)
        except Ended:
            await asyncio.sleep(UNREADABLE_PAUSE)  # then the next look starts it again
        except Exception as error:
            log.warning("a webhook could not be carried", subscription_sid=webhook.sid, error=repr(error))
            await asyncio.sleep(UNREADABLE_PAUSE)

    async def _deliver_all(self, webhook: Webhook, subscriber: Subscriber) -> None:
        failures = webhook.attempts
        while True:
            try:
                async with asyncio.timeout(NOTED):
                    message = await subscriber.next()
            except TimeoutError:
                cursor = self._feed.position(subscriber)
            else:
                if not message.empty and not await self._until_taken(webhook, message, failures):
                    return
                failures = 0
                cursor = None if message.more else message.as_of
            if cursor is not None and not await self._stored(
                self._webhooks.delivered(webhook, self._node, cursor)
            ):
                return

    async def _until_taken(self, webhook: Webhook, message: Message, failures: int) -> bool:
        """Tries until the app server has it. False when the webhook is not ours to carry any more."""
        while True:
            fault = await self._post(webhook, message)
            if fault is None:
                DELIVERIES.labels("delivered").inc()
                return True
            wait, due_at = SUSPENDED_PAUSE, self._feed.now() + SUSPENDED_PAUSE
            if fault:
                DELIVERIES.labels("failed").inc()
                failures += 1
                delay = pause(failures, self._jitter())
                if delay is None:
                    log.warning("a webhook is switched off", subscription_sid=webhook.sid, fault=fault)
                    await self._stored(self._webhooks.failed(webhook, self._node, failures, fault, None))
                    return False
                wait, due_at = delay, self._feed.now() + delay
            if not await self._stored(self._webhooks.failed(webhook, self._node, failures, fault, due_at)):
                return False
            await asyncio.sleep(wait)

    async def _post(self, webhook: Webhook, message: Message) -> str | None:
        """What went wrong; "" when the account is suspended; None when it was taken."""
        turn = self._turns.setdefault(webhook.account_sid, asyncio.Semaphore(AT_ONCE))
        async with turn:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, self._post_now, webhook, message
            )

    def _post_now(self, webhook: Webhook, message: Message) -> str | None:
        tokens = self._directory.auth_tokens(webhook.account_sid)
        if not tokens:
            return ""
        head = f'{{"account_sid":"{webhook.account_sid}","subscription_sid":"{webhook.sid}",'
        request = OutboundRequest(
            url=webhook.url,
            body=(head + message.text[1:]).encode(),
            auth_token=tokens[0],
            idempotency_token=hashlib.sha256(f"{webhook.sid}{message.text}".encode()).hexdigest()[:32],
            max_bytes=CALLBACK_MAX_BYTES,
            follow_redirects=False,  # a redirected POST loses its body
        )
        try:
            response = self._fetcher.fetch(request)
        except OutboundError as error:
            return f"{error.code} {error.reason}"
        return None if response.ok else f"11200 the app server answered {response.status}"

    @staticmethod
    async def _stored(future: "Future[T]") -> T:
        async with asyncio.timeout(10.0):
            return await asyncio.wrap_future(future)
