"""Readers that race with whoever changes what they read: has anybody seen what was gone already?

The truth is a number in a file that all processes map. Whoever changes it writes the new number,
clears or deletes what is cached, and then writes the number a second time, as the oldest that may
still be read. A reader looks at that before it reads: what it gets must not be older.
"""

from __future__ import annotations

import mmap
from contextlib import ExitStack
from typing import TYPE_CHECKING

from children import Child
from servers.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

TRUTH, OLDEST, READ, OVER, READS = range(5)  # what the numbers in the file are
READERS = """
    import mmap
    TRUTH, OLDEST, READ, OVER = range(4)
    path, tag, mine = hear()
    with open(path, "r+b") as file:
        numbers = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
    seen, failed, parent = [], [], os.getppid()
    goes_on = lambda: not numbers[OVER] and os.getppid() == parent  # or the test has ended

    @cachu.cache(name="truth", package=package, tag=tag)
    def f(x):
        made = numbers[TRUTH]
        time.sleep(0.001)
        return made

    @cachu.async_cache(name="truth", package=package, tag=tag)
    async def g(x):
        made = numbers[TRUTH]
        await asyncio.sleep(0.001)
        return made

    def thread():
        try:
            while goes_on():
                oldest = numbers[OLDEST]
                got = numbers[READ] = f(1)
                seen.append(got >= oldest)
                numbers[mine] = len(seen)
        except BaseException as error:
            failed.append(repr(error))

    async def task():
        while goes_on():
            oldest = numbers[OLDEST]
            got = numbers[READ] = await g(1)
            seen.append(got >= oldest)
            numbers[mine] = len(seen)

    async def tasks():
        await asyncio.gather(*(task() for _ in range(TASKS)))

    threads = [threading.Thread(target=thread) for _ in range(THREADS)]
    for each in threads:
        each.start()
    asyncio.run(tasks())
    for each in threads:
        each.join()
    say(len(seen), seen.count(False), failed, f.info().misses + asyncio.run(g.info()).misses)
"""


class Race:
    """Processes that read as fast as they can, each in threads and in tasks.

    Args:
        package: The package that they share.
        options: What it is configured with.
        folder: Where the file with the truth may be.
        processes: How many there are.
        threads: How many threads there are in each.
        tasks: How many tasks there are in each.
    """

    def __init__(
        self,
        package: str,
        options: dict[str, object],
        folder: Path,
        *,
        processes: int = 2,
        threads: int = 4,
        tasks: int = 6,
        tag: str = "users",
    ) -> None:
        path = folder / "truth"
        path.write_bytes(bytes(8 * (READS + processes)))
        with path.open("r+b") as file:
            self._numbers = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
        self._stack = ExitStack()
        source = READERS.replace("THREADS", str(threads)).replace("TASKS", str(tasks))
        self._children = [
            self._stack.enter_context(Child(package, options, source)) for _ in range(processes)
        ]
        for number, child in enumerate(self._children, READS):
            child.say([str(path), tag, number])
        self.changes = 0

    @property
    def reads(self) -> int:
        """How often they have read so far, or a few times more."""
        return sum(self._numbers[READS:])

    def __enter__(self):
        return self

    def __exit__(self, *error: object) -> None:
        self._numbers[OVER] = 1
        self._stack.close()

    def change(self, how) -> None:
        """Change the truth, have *how* forget the old one, wait until somebody has read it."""
        self.changes += 1
        self._numbers[TRUTH] = self.changes
        how(self.changes)
        self._numbers[OLDEST] = self.changes
        wait_for(lambda: self._numbers[READ] == self.changes, "a reader")

    def results(self) -> tuple[int, int, list[str], int]:
        """Return how many reads there were, how many were stale, what failed, and all misses."""
        self._numbers[OVER] = 1
        with self._stack:
            told = [child.hear() for child in self._children]
        reads, stale, failed, misses = zip(*told)
        return sum(reads), sum(stale), [each for some in failed for each in some], sum(misses)
