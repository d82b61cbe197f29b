"""What callers and those who write find; each test is a real call through a real callrouter."""

from __future__ import annotations

from typing import Any

CALLER, NUMBER = "+14155550100", "+14155550199"


def test_sales_answers(router: Any) -> None:
    sales = router.client("sales")
    caller = router.call(CALLER, NUMBER)
    caller.hears("Press one for sales").presses("1")
    sales.rings().answers().hears(caller)
    caller.hears(sales)
    sales.hangs_up()
    caller.is_hung_up()
    router.expect_dial_status("completed").expect_callback("/status", "completed").expect_no_alerts()


def test_a_wrong_key_leads_back_to_the_menu(router: Any) -> None:
    caller = router.call(CALLER, NUMBER)
    caller.hears("Press one").presses("9")
    caller.hears("That is no choice").hears("Press one").hangs_up()
    router.expect_request("/chosen", Digits="9").expect_no_request("/mailbox")


def test_nobody_is_there(router: Any) -> None:
    """A client that is not registered rings for nobody: the mailbox comes at once."""
    caller = router.call(CALLER, NUMBER)
    caller.hears("Press one").presses("2").hears("Leave a message")
    caller.hangs_up()
    router.expect_dial_status("no-answer")


def test_opening_hours_by_text(router: Any) -> None:
    phone = router.text(CALLER, NUMBER, "When do you OPEN?")
    phone.gets_text("We open at eight", from_=NUMBER)
    router.expect_message_status("delivered")
