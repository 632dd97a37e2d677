"""Pages that are read ahead wait in their order and in a small number, and nothing outlives the walk."""

from collections.abc import Callable
from threading import Event

import pytest

from apps.sync.walk import AHEAD, Fetcher

SOON = 10.0  # seconds, on a busy machine


class Pages:
    """Numbered pages without an end; ``broken`` are refused once each, and ``slow`` waits for ``go``."""

    def __init__(self, broken: tuple[int, ...] = (), slow: int | None = None) -> None:
        self.asked: list[int] = []
        self.broken, self.slow = set(broken), slow
        self.reached, self.go = Event(), Event()

    def at(self, number: int) -> Callable[[], int]:
        """What asks for a page."""
        return lambda: self._page(number)

    def _page(self, number: int) -> int:
        self.asked.append(number)
        if number == self.slow:
            self.reached.set()
            assert self.go.wait(SOON)
        if number in self.broken:
            self.broken.discard(number)
            raise ConnectionError(str(number))
        return number

    def following(self, number: int) -> Callable[[], int]:
        """What asks for the next."""
        return self.at(number + 1)


def test_no_more_pages_than_agreed_wait_to_be_written() -> None:
    pages = Pages(slow=AHEAD)  # the one after those that may wait
    fetcher = Fetcher(pages.following)
    fetcher.ask(pages.at(0))
    assert not pages.reached.wait(0.1)
    assert fetcher.answer(SOON) == 0
    assert pages.reached.wait(SOON), "a page that was taken makes room for another"
    assert pages.asked == list(range(AHEAD + 1))
    assert [fetcher.answer(SOON) for _ in range(AHEAD - 1)] == list(range(1, AHEAD))
    assert fetcher.answer(0.01) is None
    pages.go.set()
    fetcher.close()


def test_a_refusal_comes_after_the_pages_before_it_and_stops_reading_ahead() -> None:
    pages = Pages(broken=(2,))
    fetcher = Fetcher(pages.following)
    fetcher.ask(pages.at(0))
    assert [fetcher.answer(SOON), fetcher.answer(SOON)] == [0, 1]
    with pytest.raises(ConnectionError):
        fetcher.answer(SOON)
    assert fetcher.answer(0.05) is None
    assert pages.asked == [0, 1, 2], "what follows a page that never came is not known"
    fetcher.ask(pages.at(2))
    assert [fetcher.answer(SOON) for _ in range(3)] == [2, 3, 4]
    fetcher.close()


@pytest.mark.parametrize("under_way", [3, AHEAD + 5])
def test_closing_ends_the_thread_whether_it_reads_or_waits_for_room(under_way: int) -> None:
    pages = Pages(slow=under_way)
    fetcher = Fetcher(pages.following)
    fetcher.ask(pages.at(0))
    if under_way < AHEAD:
        assert pages.reached.wait(SOON)
        pages.go.set()
    else:
        assert fetcher.answer(SOON) == 0
    fetcher.close()
    read = len(pages.asked)
    assert read <= AHEAD + 2
    assert not [one for one in fetcher.thread._threads if one.is_alive()]
    assert len(pages.asked) == read
