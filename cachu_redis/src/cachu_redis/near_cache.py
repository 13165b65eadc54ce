"""The near cache: entries that are kept in this process too, as long as the server says no word.

One connection to each server listens: with `CLIENT TRACKING` in broadcasting mode the server tells
of every entry and every generation that changes. If it says nothing for too long, or the connection
is lost, whatever was near is forgotten at once.

Cached functions keep what is near themselves, see `cachu.backends.stores.Watch`. There is one watch
for all entries of one region and one tag: it ends when either is cleared. That takes no longer the
more there are; what has ended is let go of later, a little at a time.
"""

from __future__ import annotations

import threading
from collections import deque
from itertools import islice
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from cachu_redis.near_listeners import Follower, Listener
from cachu_redis.near_regions import Generation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cachu_redis.near_regions import NearRegion

    Address = tuple[str, int]

# Seconds without a sign of life, after which nothing is believed any more.
_BELIEVED: Final = 2.4
# Seconds by which that moves on at least: there may be many servers, and many watches to move.
_STEP: Final = 0.1
# So many changes are remembered, to find out which of them came before an answer.
_REMEMBERED: Final = 20_000
# So many entries are let go of before others have their turn.
_AT_ONCE: Final = 100


class NearTable:
    """What is near, of all regions of one configuration.

    Args:
        size: How many entries there may be.
        connect: Makes a connection to an address.
        find: Returns the addresses of all servers that there are now.

    Attributes:
        until: When to stop believing what is near, on the monotonic clock.
    """

    def __init__(
        self, size: int, connect: Callable[[str, int], Any], find: Callable[[], set[Address]]
    ) -> None:
        self._size = size
        self._connect = connect
        self._find = find
        self.after_fork()

    def after_fork(self) -> None:
        """Forget, in a child process, the threads of its parent and what they kept."""
        if hasattr(self, "_watches"):
            self._end_all()
        self.until: float = -inf
        self._lock = threading.RLock()
        # Where each entry is near: both colours of a region may have it, each for itself.
        self._index: dict[str, dict[NearRegion, str]] = {}
        # By the generations that they depend on, and the other way round.
        self._watches: dict[tuple[str, ...], Generation] = {}
        self._dependants: dict[str, set[tuple[str, ...]]] = {}
        # Watches that have ended, whose entries are still to be let go of.
        self._ended: deque[Generation] = deque()
        self._recent: dict[str, int] = {}
        self._now = self._floor = 0
        self._listeners: dict[Address, Listener] = {}
        self._follower: Follower | None = None

    def ticket(self) -> int | None:
        """Return what proves, with an answer that is asked for now, that it is not outdated."""
        if self._follower is None:
            with self._lock:
                if self._follower is None:
                    self._follower = Follower(self)
                    self._follower.start()
        return self._now if monotonic() < self.until else None

    def keep(
        self, region: NearRegion, key: str, names: Sequence[str], data: bytes, ticket: int | None
    ) -> bytes:
        """Keep an answer near, unless something changed since it was asked for; and return it.

        Args:
            region: Where to keep it.
            key: The key there.
            names: The keys on the server: entry, region, and tag if there is one.
            data: The data.
            ticket: From before the question.
        """
        if ticket is None:
            return data
        with self._lock:
            changed = any(self._recent.get(name, 0) > ticket for name in names)
            if changed or ticket < self._floor or monotonic() >= self.until:
                return data
            while len(self._index) >= self._size and names[0] not in self._index:
                self._drop(next(iter(self._index)))
            watch = self._watch(tuple(names[1:]))
            if region.watch(key) not in (None, watch):
                self._drop(names[0])
            # In this order: were this process forked in between, the child must find it.
            self._index.setdefault(names[0], {})[region] = key
            watch.names.add(names[0])
            return region.hold(key, data, watch)

    def forget(self, names: Iterable[str]) -> None:
        """Forget what depends on these keys of the server, because they changed."""
        with self._lock:
            for name in names:
                self._now += 1
                self._recent[name] = self._now
                for generations in self._dependants.pop(name, ()):
                    self._unwatch(generations)
                self._drop(name)
            if len(self._recent) > _REMEMBERED:
                self._recent.clear()
                self._floor = self._now

    def sweep(self) -> None:
        """Let go of the entries of watches that have ended; nobody uses them any more."""
        while True:
            with self._lock:
                if not self._ended:
                    return
                names = self._ended[0].names
                for name in list(islice(names, _AT_ONCE)):
                    names.discard(name)
                    self._drop(name)
                if not names:
                    self._ended.popleft()

    def flush(self) -> None:
        """Forget everything."""
        with self._lock:
            self.until = -inf
            self._end_all()
            self._index.clear()
            self._watches.clear()
            self._dependants.clear()
            self._ended.clear()
            self._recent.clear()
            self._now += 1
            self._floor = self._now

    def close(self) -> None:
        """End all threads and forget everything; the next read starts them again."""
        with self._lock:
            follower, self._follower = self._follower, None
        if follower is not None:
            follower.ended.set()
            follower.join()
        self.flush()

    def heard(self) -> None:
        """Believe what is near for a while, if all servers have given a sign of life."""
        with self._lock:
            listeners = list(self._listeners.values())
            until = min((each.heard for each in listeners), default=-inf) + _BELIEVED
            if not self.until <= until < self.until + _STEP:
                self.until = until
                for watch in self._watches.values():
                    watch.until = until

    def follow(self) -> bool:
        """Listen to the servers that there are now; say whether it is done for all of them."""
        places = self._find()
        with self._lock:
            known = self._listeners
            lost = [place for place, each in known.items() if not each.is_alive()]
            gone = [place for place in known if place not in places]
            for place in {*lost, *gone}:
                known.pop(place).ended.set()
            new = places - known.keys()
            if new or gone or lost:
                self.flush()
            for place in new:
                known[place] = Listener(self, place, self._connect)
                known[place].start()
        return not lost

    def leave(self) -> None:
        """Listen to nobody any more."""
        with self._lock:
            listeners, self._listeners = list(self._listeners.values()), {}
        for listener in listeners:
            listener.ended.set()
        for listener in listeners:
            listener.join()

    def _drop(self, name: str) -> None:
        for region, key in self._index.pop(name, {}).items():
            watch = region.watch(key)
            if watch is not None:
                watch.names.discard(name)
            region.drop(key)

    def _watch(self, generations: tuple[str, ...]) -> Generation:
        """Return what watches over entries that depend on these generations."""
        watch = self._watches.get(generations)
        if watch is None:
            if len(self._watches) >= self._size:
                self._unwatch(next(iter(self._watches)))
            watch = self._watches[generations] = Generation(self.until)
            for name in generations:
                self._dependants.setdefault(name, set()).add(generations)
        return watch

    def _unwatch(self, generations: tuple[str, ...]) -> None:
        watch = self._watches.get(generations)
        if watch is not None:
            # In this order: a child that is forked in between finds it, or need not.
            watch.until = -inf
            self._watches.pop(generations)
            self._ended.append(watch)
        for name in generations:
            rest = self._dependants.get(name, set())
            rest.discard(generations)
            if not rest:
                self._dependants.pop(name, None)

    def _end_all(self) -> None:
        for watch in list(self._watches.values()):
            watch.until = -inf
        for region in {region for places in list(self._index.values()) for region in list(places)}:
            region.clear()
