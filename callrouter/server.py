"""The router process: database, engine, peers and web server, started and stopped in order."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing

import structlog
from prometheus_client import REGISTRY

from callrouter.app import create_app
from callrouter.calls import leases, sweeping
from callrouter.calls.audio import Audio
from callrouter.calls.dispatch import Dispatcher
from callrouter.calls.engine import Engine
from callrouter.calls.executors.announce import Announcer
from callrouter.calls.executors.clients import Clients
from callrouter.calls.executors.gathering import Gathering
from callrouter.calls.executors.keeping import Keeping
from callrouter.calls.executors.legs import Legs
from callrouter.calls.executors.sounds import Sounds
from callrouter.calls.executors.taps import Taps
from callrouter.calls.executors.targets import Targets
from callrouter.calls.executors.webhooks import Webhooks
from callrouter.calls.leases import Leases
from callrouter.calls.name_lock import NameLock
from callrouter.calls.steering import SteeringFront
from callrouter.calls.suspension import while_active
from callrouter.calls.sweeping import Sweep
from callrouter.carriers.webhook import ANYWHERE, CarrierMessages, Carriers
from callrouter.directory.usage import watch as usage
from callrouter.media.client import MediaClient
from callrouter.messages.assembly import Messaging
from callrouter.messages.routing.operator import follow
from callrouter.metrics import readiness
from callrouter.metrics.readiness import Draining
from callrouter.metrics.router import RouterState
from callrouter.parts import Parts
from callrouter.voice.settings import VOICE_PURPOSE
from foundation.clock import utc_now
from foundation.db import Database
from foundation.keys import load_keys
from foundation.outbound.fetch import Fetcher
from foundation.outbound.pool import FetchPool
from foundation.periodic import Periodic
from foundation.settings import Settings, address
from foundation.webserver.bridge import WsgiBridge
from foundation.webserver.serve import Listener, serve
from presence.client import PresenceClient

log = structlog.get_logger(__name__)


async def run_router(settings: Settings, stop: asyncio.Event) -> None:
    """Runs until `stop` is set. Calls outlive it: the next start picks them up.

    The address and the router's name are ours before any call is: AddressTaken and NameTaken otherwise.
    """
    listener = Listener(bind=settings.router_bind)
    with ExitStack() as held:
        opened = held.enter_context(listener.open())
        url = settings.database_url("router")
        lock = held.enter_context(closing(NameLock(settings.data_dir, settings.router_name, url)))
        database = held.enter_context(closing(Database(url)))
        database.check()
        await _run(settings, stop, database, lock, lambda app, until: serve(app, [listener], until, [opened]))


async def _run(
    settings: Settings,
    stop: asyncio.Event,
    database: Database,
    lock: NameLock,
    serve: Callable[[WsgiBridge, asyncio.Event], Awaitable[None]],
) -> None:
    keys = load_keys(settings)
    engine = Engine(database, utc_now, settings.router_name, lock)
    engine.give_way = stop.set
    audio = Audio(engine, address(settings.voice_control), keys.derive(VOICE_PURPOSE))
    presence = PresenceClient(settings.presence_base(), keys)
    apps = FetchPool(
        Fetcher(allow=settings.outbound_allow, ca_bundle=settings.outbound_ca or None),
        threads=settings.outbound_threads,
    )
    callbacks = FetchPool(
        Fetcher(allow=settings.outbound_allow, ca_bundle=settings.outbound_ca or None),
        threads=max(2, settings.outbound_threads // 2),
    )
    gateways = FetchPool(Fetcher(allow=ANYWHERE, user_agent="callrouter"), threads=32)
    text_gateways = FetchPool(Fetcher(allow=ANYWHERE, user_agent="callrouter"), threads=64, per_account=32)
    media = MediaClient(settings.media_base(), keys)
    webhooks = Webhooks(database, keys, apps, engine.now, settings.router_base(), callbacks)
    carriers = Carriers(database, keys, gateways, engine.now)
    legs = {
        **Legs(engine, database, audio.voice, presence, carriers).executors(),
        **Clients(engine, keys, audio.voice, presence).executors(),
        **Targets(engine, database, audio.voice, carriers).executors(),
    }
    follow(settings)
    messaging = Messaging(
        engine,
        database,
        clock=utc_now,
        carriers=CarrierMessages(database, keys, text_gateways, engine.now),
        presence=presence,
        media=media,
        webhooks=webhooks,
        apps=apps,
        gateways=gateways,
        base_url=settings.router_base(),
    )
    dispatcher = Dispatcher(
        engine,
        database,
        {
            "fetch": webhooks.fetch,
            "callback": webhooks.call_back,
            "partial": webhooks.tell_once,
            **while_active(engine, database, legs),
            **Sounds(engine, audio.voice, settings.media_base()).executors(),
            **Taps(engine, audio.voice, settings.media_base(), webhooks.token).executors(),
            **Keeping(engine, media).executors(),
            **Gathering(engine, audio.voice, settings.media_base()).executors(),
            **Announcer(database, keys, presence).executors(),
            **messaging.executors,
        },
        messaging.abandon,
    )
    engine.carry_out = dispatcher.submit
    await engine.start()
    await audio.start()  # after the engine knows its calls: legs of nobody's are closed when the node is met
    dispatcher.start()
    await messaging.start()
    rounds = [
        Periodic("sweep", Sweep(engine, database).sweep, sweeping.PAUSE_SECONDS),
        Periodic("leases", Leases(engine, presence).renew, leases.PAUSE_SECONDS),
        Periodic(
            "usage triggers",
            lambda: usage.look(database, engine.now(), settings.router_base()),
            usage.SECONDS,
        ),
    ]
    for one in rounds:
        one.start()
    loop = asyncio.get_running_loop()
    front = SteeringFront(engine, database, loop, calls_per_second=settings.calls_per_second)
    draining = Draining()
    checks = readiness.checks(database, engine, audio.voice, draining)
    pools = {"documents": apps, "callbacks": callbacks, "carriers": gateways, "messages": text_gateways}
    state = RouterState(
        engine=engine,
        dispatcher=dispatcher,
        database=database,
        voice=audio.voice,
        pools=pools,
        checks=checks,
    )
    REGISTRY.register(state)
    parts = Parts(
        settings=settings,
        database=database,
        keys=keys,
        clock=utc_now,
        front=front,
        messaging=messaging,
        voice=audio.voice,
        media=media,
        checks=checks,
        warnings=readiness.warnings(settings),
    )
    bridge = WsgiBridge(create_app(parts), threads=32)
    log.info("router up", address=settings.router_bind, url=settings.router_base())
    drained = asyncio.Event()

    async def drain() -> None:
        await stop.wait()
        draining.begin()
        front.stopping = True
        log.info("router stops", calls=len(engine.sessions()), seconds=settings.drain_seconds)
        await asyncio.sleep(settings.drain_seconds)
        drained.set()

    draining_task = loop.create_task(drain())
    try:
        await serve(bridge, drained)
    finally:
        draining_task.cancel()
        REGISTRY.unregister(state)
        for one in reversed(rounds):
            await one.stop()
        await messaging.stop()
        await dispatcher.stop()
        await engine.stop()
        await audio.stop()
        await asyncio.gather(*(pool.close() for pool in pools.values()))
        bridge.close()
        await asyncio.to_thread(parts.closing.close)
        presence.close()
        media.close()
