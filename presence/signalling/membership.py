"""A node among the others: it takes up what it left, keeps its lease, adopts the dead, and agrees with the rest."""

import asyncio
from collections.abc import Callable

import structlog

from foundation.failpoints import failpoint
from presence.nodes import RENEW, Nodes
from presence.signalling.book import Book
from presence.signalling.holdings import Holdings
from presence.signalling.ledger import Ledger
from presence.signalling.registrar import Registrar
from presence.signalling.ringing import Ringing

log = structlog.get_logger(__name__)


class Membership:
    """What a process does for being one of several; alone, it only takes up what its earlier life left."""

    def __init__(
        self,
        nodes: Nodes,
        holdings: Holdings,
        ledger: Ledger,
        registrar: Registrar,
        book: Book,
        ringing: Ringing,
        now: Callable[[], float],
        admit: Callable[[bool], None],
    ) -> None:
        self._nodes, self._holdings, self._ledger = nodes, holdings, ledger
        self._registrar, self._book, self._ringing = registrar, book, ringing
        self._now, self._admit = now, admit
        self._member, self._company = True, False

    async def start(self) -> None:
        """Joins the others, and takes up what an earlier life of this node left; call it before serving."""
        await self._nodes.join()
        await self._registrar.restore()
        await self._take_up()

    async def keep_forever(self) -> None:
        """Belongs to the others for as long as it runs; ends at once where there can be none."""
        if self._nodes.shared:
            await asyncio.gather(self._keep_lease(), self._look_after())

    async def _keep_lease(self) -> None:
        """Renews the lease every RENEW seconds, whatever else takes longer; starts over when it was lost."""
        while True:
            await asyncio.sleep(RENEW)
            try:
                if self._member and not await self._nodes.renew():
                    log.warning("the lease is lost: all clients are sent away", node=self._nodes.name)
                    self._member = False
                    self.forget_all()
                if not self._member:
                    await self.start()
                    self._member = True
                    self._admit(True)
            except Exception as error:
                log.warning("the node could not join the others; it tries again", error=repr(error))

    async def _look_after(self) -> None:
        """Adopts who died, and hears what was not said."""
        while True:
            await asyncio.sleep(RENEW)
            try:
                for dead in await asyncio.to_thread(self._nodes.dead) if self._member else ():
                    await self._adopt(dead)
                await self.agree()
            except Exception as error:
                log.warning("the node could not agree with the others; it tries again", error=repr(error))

    async def agree(self) -> None:
        """Hears from the database what other nodes did and this one was not told."""
        had_company, self._company = self._company, bool(self._nodes.others())
        if not (had_company or self._company):
            return
        await self._ringing.agree()
        await self._registrar.agree()
        if before := self._book.stored():
            self._book.agree(before, await asyncio.to_thread(self._holdings.calls))

    def forget_all(self) -> None:
        """All of this is another node's by now: clients come back, to whichever node takes them."""
        self._admit(False)
        self._registrar.forget_all()
        self._book.forget_all()
        self._ringing.forget_all()

    async def leave(self) -> None:
        """A gentle end: another node takes care of what is left at once."""
        try:
            await self._nodes.leave()
        except Exception as error:
            log.warning("the other nodes will take the end of this one for its death", error=repr(error))

    async def _adopt(self, dead: str) -> None:
        failpoint("adopt.before-commit")
        if await self._registrar.adopt(dead):
            failpoint("adopt.after-commit")
            log.warning("a node died; its devices, calls and invites are this one's", dead=dead)
            await self._take_up()

    async def _take_up(self) -> None:
        self._book.restore(await asyncio.to_thread(self._ledger.bound))
        self._ringing.restore(await asyncio.to_thread(self._ledger.pending, self._now()))
