"""Any sequence of operations, in both colours, does what a plain dict and a clock would do."""

from __future__ import annotations

from math import inf
from typing import Any

from cachu.backends import Capability
from cachu.testing.clock import FakeClock
from cachu.testing.suite.colours import Both, Colour, Lifted
from cachu.testing.suite.gates import skip

_KEYS = ["a", "a:b", "\x00"]
_TAGS = ["", "t", "*"]
# Long enough, in seconds, for stores that also count real time while the clock stands still.
_TTLS = [100, 1000, inf]


class Model:
    """A backend and a dict, on which everything is done that is done to the other.

    Args:
        both: Both colours of the backend, empty.
        clock: The clock of both.
    """

    def __init__(self, both: Both, clock: FakeClock) -> None:
        self.clock = clock
        self._colours: list[Colour] = list(both)
        self._functions = [[each.cached(name=f"f{tag}", tag=tag) for tag in _TAGS] for each in both]
        self._capabilities = both.plain.capabilities
        self._rows: dict[object, tuple[object, float, str]] = {}

    def set(self, colour: int, key: str, value: object, ttl: float, tag: str) -> None:
        """Keep a value under a key of one's own."""
        self._backend(colour).set(key, value, ttl=ttl, tag=tag)
        self._rows[key] = (value, self.clock.now + ttl, tag)

    def get(self, colour: int, key: str) -> None:
        """Get what is there, if it is fresh."""
        found = self._backend(colour).get(key, "absent")
        expected = self._fresh(key)
        value = "absent" if expected is None else expected[0]
        assert (type(found), found) == (type(value), value)

    def delete(self, colour: int, key: str) -> None:
        """Forget it."""
        self._backend(colour).delete(key)
        self._rows.pop(key, None)

    def call(self, colour: int, x: int, tag: int) -> None:
        """Call the function that has this tag."""
        self._called(self._functions[colour][tag], "__call__", x, tag)

    def refresh(self, colour: int, x: int, tag: int) -> None:
        """Have the function run."""
        self._rows.pop((x, tag), None)
        self._called(self._functions[colour][tag], "refresh", x, tag)

    def invalidate(self, colour: int, x: int, tag: int) -> None:
        """Forget what the function returned."""
        self._functions[colour][tag].invalidate(x)
        self._rows.pop((x, tag), None)

    def clear(self, colour: int, tag: str) -> None:
        """Clear what has this tag, or everything."""
        expected = [key for key in self._rows if self._fresh(key) and tag in ("", self._tag(key))]
        needed = Capability.TAGS if tag else Capability.CLEAR
        if needed in self._capabilities:
            assert self._colours[colour].clears(len(expected), tag=tag or None)
            rows = self._rows.items()
            self._rows = {key: row for key, row in rows if tag not in ("", row[2])}

    def count(self, colour: int) -> None:
        """Count what is fresh."""
        if Capability.COUNT in self._capabilities:
            fresh = sum(self._fresh(key) is not None for key in self._rows)
            assert self._backend(colour).count() == fresh

    def _called(self, function: Lifted, how: str, x: int, tag: int) -> None:
        expected, before = self._fresh((x, tag)), function.runs
        found = function(x) if how == "__call__" else function.refresh(x)
        ran = function.runs > before
        assert ran == (expected is None)
        if expected is None:
            self._rows[x, tag] = (found, self.clock.now + 300, _TAGS[tag])
        else:
            assert found == expected[0]

    def _backend(self, colour: int) -> Any:
        return self._colours[colour].get_backend()

    def _fresh(self, key: object) -> tuple[object, float, str] | None:
        row = self._rows.get(key)
        return row if row is not None and self.clock.now < row[1] else None

    def _tag(self, key: object) -> str:
        return self._rows[key][2]


def test_any_sequence_of_operations_does_what_a_dict_would(
    both: Both, clock: FakeClock, cachu_values: list[Any]
) -> None:
    try:
        from hypothesis import HealthCheck, settings
        from hypothesis import strategies as st
        from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
    except ImportError:
        skip(both.plain, "pip install hypothesis to have it tried with sequences of operations")
        return

    colours, numbers = st.integers(0, 1), st.integers(0, 1)
    keys, tags, tag_numbers = map(st.sampled_from, (_KEYS, _TAGS, range(len(_TAGS))))
    values = [value for value in cachu_values if len(repr(value)) < 20]
    start = clock.now

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            clock.set(start)
            plain = type(both.plain)(both.plain.options)
            self.both = Both(plain, type(both.asynchronous)(plain.options, plain.package))
            self.model = Model(self.both, clock)

        set = rule(
            colour=colours,
            key=keys,
            value=st.sampled_from(values),
            ttl=st.sampled_from(_TTLS),
            tag=tags,
        )(lambda self, **drawn: self.model.set(**drawn))
        get = rule(colour=colours, key=keys)(lambda self, **drawn: self.model.get(**drawn))
        delete = rule(colour=colours, key=keys)(lambda self, **drawn: self.model.delete(**drawn))
        call = rule(colour=colours, x=numbers, tag=tag_numbers)(
            lambda self, **drawn: self.model.call(**drawn)
        )
        refresh = rule(colour=colours, x=numbers, tag=tag_numbers)(
            lambda self, **drawn: self.model.refresh(**drawn)
        )
        invalidate = rule(colour=colours, x=numbers, tag=tag_numbers)(
            lambda self, **drawn: self.model.invalidate(**drawn)
        )
        clear = rule(colour=colours, tag=tags)(lambda self, **drawn: self.model.clear(**drawn))
        count = rule(colour=colours)(lambda self, **drawn: self.model.count(**drawn))
        advance = rule(by=st.sampled_from([50, 99.5, 100, 900]))(lambda _, by: clock.advance(by))

        def teardown(self) -> None:
            clock.set(start)
            self.both.plain.close()

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
