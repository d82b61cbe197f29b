"""How far one subscriber is, and what waits for it: pure (PR-43, PR-46).

needs a snapshot --began(as_of)--> follows --offer--> follows ... --too much waits--> needs a snapshot
"""

from presence.subscriptions.news import News

MOST = 1_000
"""Clients that may wait for a subscriber; beyond it, it gets a snapshot instead, once it reads again."""


class Subscription:
    """A subscriber's place in the log. `cursor`: it knows everything up to this number; None: it needs a snapshot."""

    def __init__(self, cursor: int | None = None) -> None:
        self.cursor = cursor
        self._waiting: News | None = None
        self._dropped = -1

    @property
    def waits(self) -> bool:
        """Whether there is something that it was not told yet."""
        return self._waiting is not None

    def offer(self, news: News) -> None:
        """Takes what happened. What it has heard already changes nothing."""
        if self.cursor is not None:
            news = news.beyond(self.cursor)
        merged = news if self._waiting is None else self._waiting.then(news)
        if len(merged.clients) > MOST:
            self.lose(merged.as_of)
        elif merged.clients:
            self._waiting = merged

    def lose(self, as_of: int) -> None:
        """What happened up to this number can't be told one by one any more."""
        self.cursor, self._waiting = None, None
        self._dropped = max(self._dropped, as_of)

    def began(self, as_of: int) -> None:
        """It was told of everything as of this number; when something later has been dropped, it needs more."""
        self.cursor = as_of if as_of >= self._dropped else None
        if self._waiting is not None:
            self._waiting = self._waiting.beyond(as_of)

    def take(self) -> News | None:
        """What to tell it now; None when there is nothing, or a snapshot is due."""
        news, self._waiting = self._waiting, None
        if news is None or self.cursor is None:
            self._waiting = news
            return None
        self.cursor = max(self.cursor, news.as_of)
        return news if news.clients else None
