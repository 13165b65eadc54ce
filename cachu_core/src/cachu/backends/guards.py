"""The guard of a backend: one lane for reading, one for writing.

They are told apart because a full disk can still be read, and reads that go well must not make one
believe that writes do.
"""

from __future__ import annotations

from cachu.backends.lanes import Lane


class Guard:
    """The guard of one backend as one package has configured it.

    Attributes:
        reads: Looking for entries, counting and listing them.
        writes: Storing, deleting and clearing, and the leases and locks that go with that.
    """

    __slots__ = ("__weakref__", "reads", "writes")

    def __init__(self, backend: str, package: str, *, used: bool = True) -> None:
        label = f"The {backend} backend of {package!r}"
        self.reads: Lane = Lane(
            label,
            "cannot be read",
            "functions run as if nothing were cached, or with fail_open=False raise BackendError",
        )
        self.writes: Lane = Lane(
            label,
            "cannot be written",
            "results are returned without being stored, or with "
            "fail_open=False raise BackendError; deletes and clears raise it",
            self.reads,
        )
        self.reads.used = self.writes.used = used

    def use(self) -> None:
        """Tell of outages from now on: a cached function is concerned."""
        self.reads.used = self.writes.used = True

    @property
    def faults(self) -> int:
        """How many operations failed since the process began."""
        return self.reads.faults + self.writes.faults

    def after_fork(self) -> None:
        """Forget, in a child process, the threads of its parent."""
        self.reads.after_fork()
        self.writes.after_fork()
