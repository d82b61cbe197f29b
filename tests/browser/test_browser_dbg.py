import asyncio, time
from tests.browser.world import *
def test_dbg(play):
    async def scenario(world):
        alice = await world.registered()
        caller, call = await world.talking(alice)
        world.deployment.kill("router")
        await call.do("disconnect")
        await asyncio.sleep(6)
        await asyncio.to_thread(world.deployment.start, "router")
        t=time.time()
        try:
            await asyncio.wait_for(caller.ended, 40)
        except TimeoutError: pass
        print("ended after", time.time()-t)
        print(world.timeline(), world.calls())
        for n in ("router","presence","voice"): print(n, world.deployment.log(n))
        print([r.path for r in world.app.received])
        assert 0
    play(scenario)
