"""The function behind a wrapper, as its call path sees it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachu.counters import AnyCounters
    from cachu.keys.spelling import Spelling
    from cachu.policies import Policy
    from cachu.wrappers.parameters import Parameters


class Callee:
    """The function behind a wrapper, under one configuration.

    Attributes:
        function: The decorated function itself.
        parameters: What it takes.
        policy: What its decorator was told.
        spelling: How its keys are spelled.
        counters: Its statistics, which outlive every configuration.
        lock_timeout: Seconds that a caller waits for another's computation.
    """

    __slots__ = ("counters", "function", "lock_timeout", "parameters", "policy", "spelling")

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: Parameters,
        policy: Policy,
        spelling: Spelling,
        counters: AnyCounters,
        lock_timeout: float,
    ) -> None:
        self.function: Callable[..., Any] = function
        self.parameters: Parameters = parameters
        self.policy: Policy = policy
        self.spelling: Spelling = spelling
        self.counters: AnyCounters = counters
        self.lock_timeout: float = lock_timeout
