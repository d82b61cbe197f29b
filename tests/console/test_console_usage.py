"""Plots of usage: their bars, their axis, and the same figures as a table."""

from __future__ import annotations

import itertools
import re

from console_world import ConsoleWorld
from happened import message
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from callrouter import models
from callrouter.console.usage import HEIGHT, SHADES, plot
from foundation.sids import CALL, new_sid

COUNTS = st.lists(
    st.dictionaries(st.sampled_from([*"abcdefgh", "failed"]), st.integers(0, 10**7)), min_size=1, max_size=31
)


@settings(max_examples=40)
@given(COUNTS)
def test_bars_are_within_the_plot_and_as_high_as_their_counts(counts: list[dict[str, int]]) -> None:
    drawn = plot("Calls", "calls", [str(number) for number in range(len(counts))], counts)
    assert drawn.total == sum(sum(one.values()) for one in counts)
    assert 1 < len(drawn.ticks) <= 7
    assert [value for _, value in drawn.ticks] == sorted({value for _, value in drawn.ticks})
    for bar in drawn.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= drawn.width
        assert all(part.y >= 0 and part.y + part.height <= HEIGHT for part in bar.parts)
        assert {part.shade for part in bar.parts} <= {*(f"shade-{n}" for n in range(SHADES)), "shade-fault"}
    tall = sorted((bar.total, sum(part.height for part in bar.parts)) for bar in drawn.bars)
    assert all(less[1] <= more[1] + 0.1 for less, more in itertools.pairwise(tall))


def test_the_page_counts_an_accounts_own_calls(world: ConsoleWorld) -> None:
    account, rival, now = world.account(), world.account(), world.now.seconds

    def calls(sid: str, ages: list[float]) -> list[dict[str, object]]:
        row = {
            "account_sid": sid,
            "leg": "",
            "direction": "inbound",
            "from": "+1",
            "to": "+2",
            "queue_time": 0,
        }
        ended = {"status": "completed", "date_updated": now}
        times = [
            {"date_created": now - age, "start_time": now - age, "end_time": now - age + 61} for age in ages
        ]
        return [{**row, **ended, **one, "sid": new_sid(CALL)} for one in times]

    rows = calls(account[0], [5, 10, 86_400 * 3]) + calls(rival[0], [1])
    world.write(lambda c: c.execute(insert(models.Call.__table__), rows))
    page = world.owner(account).get("/console/usage")
    assert re.findall(r"(\d+) (?:calls|messages) in all", page) == ["2", "3", "0"]
    assert "Voice Minutes" in page
    assert "<rect" in page
    assert "style=" not in page
    assert "0 messages in all" in world.owner(rival).get("/console/usage?subaccounts=on")


def test_faults_are_told_by_colour_and_by_words(world: ConsoleWorld) -> None:
    """They stand on top of the bar, and neither the bar nor the legend leaves it to the colour alone."""
    counts = [{"failed": 1, "delivered": 2, "undelivered": 3, "read": 4}]
    drawn = plot("Messages", "messages", ["today"], counts)
    assert drawn.names == ["delivered", "read", "failed", "undelivered"]
    assert drawn.shades == ["shade-0", "shade-1", "shade-fault", "shade-fault"]
    assert [part.shade for part in drawn.bars[0].parts] == drawn.shades
    assert drawn.faults == [("failed", 1), ("undelivered", 3)]
    account, now = world.account(), world.now.seconds
    message(world, account[0], now, status="undelivered")
    page = world.owner(account).get("/console/usage")
    assert "1 messages in all, 1 undelivered." in page
    assert re.search(r'class="shade-fault" [^>]*/></svg> undelivered \(a fault\)</li>', page)
