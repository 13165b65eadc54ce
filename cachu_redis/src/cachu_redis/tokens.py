"""Random bytes that nobody else has: generations, and the tokens of locks.

They must be unlike all others, not unguessable. So the system is asked for randomness once in a
process, not at every miss: that would cost as much as half a command.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_random: Final = Random()  # noqa: S311  see above

fresh: Final[Callable[[int], bytes]] = _random.randbytes
"""Returns so many random bytes."""

if hasattr(os, "register_at_fork"):
    # A child process must not have the tokens of its parent.
    os.register_at_fork(after_in_child=_random.seed)
