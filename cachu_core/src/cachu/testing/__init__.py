"""What tests of code that caches need, and what tests of backends need.

`FakeClock` moves time without waiting for it. `cachu.testing.suite` is the suite that every backend
has to pass, those that ship with cachu and those of plugins; it needs pytest.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachu.testing.clock import FakeClock

__all__ = ["FakeClock"]


def __getattr__(name: str) -> object:
    if name == "FakeClock":
        from cachu.testing.clock import FakeClock

        return FakeClock
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
