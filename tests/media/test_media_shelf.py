"""What the shelf keeps and forgets (MD-9), and that one account's wait is not the others' (MD-5)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callrouter.media import flights, sheet
from callrouter.media.flights import Flights
from callrouter.media.sheet import Sheet
from callrouter.media.shelf import Shelf
from foundation.webserver.errors import ApiError

MANY = 100_000


def of_size(size: int) -> Sheet:
    return Sheet(facts={"url": f"http://a.example/{size}"}, body=b"x" * size)


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "get", "drop", "restart"]), st.sampled_from("abcdef"), st.integers(0, 260)
        ),
        max_size=30,
    )
)
def test_md_9_the_bound_holds_and_nothing_is_invented(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("shelf")
    shelf, put = Shelf(folder, 1_000), {}
    for step, key, size in steps:
        if step == "put":
            shelf.put("AC1", key, of_size(size))
            put[key] = size
        elif step == "drop":
            shelf.drop("AC1", key)
            put.pop(key, None)
        elif step == "restart":
            shelf = Shelf(folder, 1_000)
        elif (found := shelf.get("AC1", key)) is not None:
            assert found == of_size(put[key])
        assert shelf.size == on_disk(folder) <= 1_000


def test_md_9_the_longest_unused_goes_first(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 1_000)
    for key in "abcd":
        shelf.put("AC1", key, of_size(180))
    shelf.get("AC1", "a")
    shelf.put("AC1", "e", of_size(180))
    assert [key for key in "abcde" if shelf.get("AC1", key)] == ["a", "c", "d", "e"]


def test_one_sound_does_not_empty_the_shelf(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 1_000)
    shelf.put("AC1", "small", of_size(100))
    shelf.put("AC1", "large", of_size(251))
    assert shelf.get("AC1", "small")
    assert shelf.get("AC1", "large") is None


def test_a_disk_that_takes_nothing_is_no_fault_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(tmp_path, MANY)
    shelf.put("AC1", "a", of_size(10))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sheet.tempfile, "mkstemp", full)
    shelf.put("AC1", "a", of_size(20))
    assert shelf.get("AC1", "a") is None


def test_a_failed_write_leaves_the_old_sheet_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    sheet.write(path, of_size(10))

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(sheet.os, "replace", broken)
    with pytest.raises(OSError, match="Input/output"):
        sheet.write(path, of_size(20))
    assert sheet.read(path) == of_size(10)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("data", [b"", b"{", b"[]\nxx", b'{"size": 3}\nxx', b"\xff\n"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    assert sheet.read(tmp_path / "a") is None


def test_threads_share_a_shelf(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 5_000)

    def work(number: int) -> None:
        for turn in range(20):
            key = str((number + turn) % 7)
            shelf.put("AC1", key, of_size(300))
            found = shelf.get("AC1", key)
            assert found is None or found == of_size(300)
            if turn % 5 == 0:
                shelf.drop("AC1", key)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert shelf.size == on_disk(tmp_path) <= 5_000


# -- flights


def test_who_waits_with_the_first_fails_with_it_and_the_next_one_tries_anew() -> None:
    under_way, go, entered = Flights[int]("test"), threading.Event(), threading.Event()

    def fail() -> int:
        entered.set()
        assert go.wait(10)
        raise ApiError(502, 11200, "no")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(under_way.run, "AC1", "key", fail)
        assert entered.wait(10)
        second = pool.submit(under_way.run, "AC1", "key", lambda: 2)
        while under_way._waiting["AC1"] < 2:
            pass
        go.set()
        for one in (first, second):
            with pytest.raises(ApiError, match="no"):
                one.result(10)
    assert under_way.run("AC1", "key", lambda: 3) == 3


def test_an_account_that_waits_for_too_much_is_refused_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flights, "MOST_OF_ACCOUNT", 2)
    under_way, go = Flights[int]("test"), threading.Event()

    def wait() -> int:
        assert go.wait(10)
        return 1

    with ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(under_way.run, "AC1", key, wait) for key in "ab"]
        while under_way._waiting["AC1"] < 2:
            pass
        with pytest.raises(ApiError) as caught:
            under_way.run("AC1", "c", lambda: 1)
        assert (caught.value.status, caught.value.code) == (429, 20429)
        assert under_way.run("AC2", "c", lambda: 1) == 1
        go.set()
        assert [one.result(10) for one in busy] == [1, 1]
    assert under_way.run("AC1", "c", lambda: 1) == 1


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "WAIT_SECONDS", 0.05)
    under_way, go, entered = Flights[int]("test"), threading.Event(), threading.Event()

    def wait() -> int:
        entered.set()
        assert go.wait(10)
        return 1

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(under_way.run, "AC1", "a", wait)
        assert entered.wait(10)
        with pytest.raises(ApiError) as caught:
            under_way.run("AC1", "a", lambda: 2)
        assert caught.value.code == 20503
        go.set()
        assert first.result(10) == 1
