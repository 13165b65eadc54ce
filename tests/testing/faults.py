"""A plugin whose backends, serializers and locks each have one fault, for the suites to find.

Each class says in `found_by` which test has to find it. The plugin's names are those of the
classes: `planted-forgets-expiry`.
"""

import json
import os
import pickle
import re
from threading import Event

import shelves
from shelves import FullStore, LeaseStore, Shelf, WholeBackend

from cachu.backends import Capability
from cachu.entries import NO_VALUE, CacheEntry
from cachu.hookspecs import hookimpl
from cachu.locks import ThreadLocks


class ForgetsExpiry(WholeBackend):
    found_by = "test_an_entry_is_stale_exactly_at_its_deadline"

    def load(self, key, tag=None):
        row = self.rows.get(key)
        return NO_VALUE if row is None else row[0]


class ProlongsLife(WholeBackend):
    found_by = "test_a_hit_does_not_prolong_life"

    def load(self, key, tag=None):
        found = super().load(key)
        if isinstance(found, CacheEntry):
            _, deadline, tag = self.rows[key]
            self.rows[key] = (found, deadline + 1000, tag)
        return found


class LeaksBetweenTags(FullStore):
    found_by = "test_a_clear_by_tag_concerns_that_tag"

    def clear(self, tag=None):
        found = [key for key, row in self.rows.items() if (tag or "") in row[2]]
        for key in found:
            del self.rows[key]
        return len(found)


class KeepsTheFirstTag(FullStore):
    found_by = "test_any_sequence_of_operations_does_what_a_dict_would"

    def store(self, key, data, ttl, tag=""):
        row = self.rows.get(key)
        super().store(key, data, ttl, row[2] if row else tag)


class CountsWhatIsStale(FullStore):
    found_by = "test_what_is_stale_does_not_count"

    def _fresh(self):
        return list(self.rows)


class LosesCase(FullStore):
    found_by = "test_keys_of_any_text"

    def load(self, key, tag=None):
        return super().load(key.lower())

    def store(self, key, data, ttl, tag=""):
        super().store(key.lower(), data, ttl, tag)


class SharesRegions(WholeBackend):
    found_by = "test_equal_times_are_one_region"
    ROWS = {}  # noqa: RUF012  for all

    def __init__(self, shelf):
        self.rows = self.ROWS.setdefault(shelf.name[0], {})


class SharesPackages(WholeBackend):
    found_by = "test_packages_see_nothing_of_each_other"
    ROWS = {}  # noqa: RUF012  for all

    def __init__(self, shelf):
        self.rows = self.ROWS


class LosesOneColour(FullStore):
    found_by = "test_colours_share_the_entries_of_one_name"

    class for_async(shelves.AsyncDictStore):  # noqa: N801  in the place of a method
        def __init__(self, shelf):
            super().__init__(shelf, {})
            self.plain.rows = {}


class WedgesALock(LeaseStore):
    found_by = "test_an_interrupted_leader_frees_its_waiters"

    def abandon(self, lease):
        """Keep everybody waiting."""


class ClearsNothing(FullStore):
    found_by = "test_a_clear_forgets_everything"

    def clear(self, tag=None):
        return self.count(tag)


class ConfusesOneAndTrue(WholeBackend):
    found_by = "test_every_value_is_cached"
    SEEN = []  # noqa: RUF012  for all

    def store(self, key, entry, ttl, tag=""):
        same = [value for value in self.SEEN if value == entry.value]
        self.SEEN.append(entry.value)
        super().store(key, CacheEntry((same or [entry.value])[0], entry.created_at), ttl, tag)


class CutsLargeValues(FullStore):
    found_by = "test_every_value_goes_through_the_backend"

    def store(self, key, data, ttl, tag=""):
        super().store(key, data[:65536], ttl, tag)


class SaysThatAllWasThere(FullStore):
    found_by = "test_deleting_twice_is_no_error"

    def delete(self, key):
        super().delete(key)
        return True


class RaisesAtDamage(FullStore):
    found_by = "test_what_cachu_did_not_write_is_a_miss"

    def load(self, key, tag=None):
        data = super().load(key)
        if data is not None and len(data) < 20:
            raise ValueError("this is no entry")
        return data


class TouchesOthers(FullStore):
    found_by = "test_data_of_others_is_untouched"
    THEIRS = {"theirs": 1}  # noqa: RUF012  for all

    def clear(self, tag=None):
        self.THEIRS.clear()
        return super().clear(tag)


class HangsInAFork(FullStore):
    found_by = "test_a_forked_child_goes_on"
    PID = os.getpid()

    def load(self, key, tag=None):
        if os.getpid() != self.PID:
            Event().wait()
        return super().load(key)


class IsNotShared(FullStore):
    found_by = "test_another_process_finds_what_this_one_stored"
    capabilities = FullStore.capabilities | Capability.SHARED


def runs_arguments_together(arguments):
    return "".join(repr(value)[1:-1] for value in arguments.values())


runs_arguments_together.found_by = "test_arguments_of_several_parameters_do_not_run_together"


def confuses_types(arguments):
    return ",".join(str(value) for value in arguments.values())


confuses_types.found_by = "test_different_arguments_have_different_keys"


def depends_on_the_process(arguments):
    return repr(arguments)


depends_on_the_process.found_by = "test_keys_are_the_same_in_other_processes"


class MakesListsOfTuples:
    found_by = "test_what_comes_back_is_what_went_in_or_it_was_refused"

    def dumps(self, value):
        return json.dumps(value).encode()

    def loads(self, data):
        return json.loads(bytes(data))


class HandsOverOtherPieces:
    found_by = "test_pieces_are_what_dumps_returns"

    def dumps(self, value):
        return pickle.dumps(value)

    def pieces(self, value):
        return pickle.dumps(value), b" "

    def loads(self, data):
        return pickle.loads(data)


class SharesOneValue:
    found_by = "test_loading_changes_nothing"
    SEEN = {}  # noqa: RUF012  for all

    def dumps(self, value):
        return pickle.dumps(value)

    def loads(self, data):
        return self.SEEN.setdefault(data, pickle.loads(data))


class LetsEverybodyIn(ThreadLocks):
    found_by = "test_a_taken_lock_is_refused_to_who_does_not_wait"

    def mutex(self, key):
        return super().mutex(os.urandom(8).hex())


class HasOneLock(ThreadLocks):
    found_by = "test_different_keys_are_different_locks"

    def mutex(self, key):
        return super().mutex("")


class StaysLocked(ThreadLocks):
    found_by = "test_a_cancelled_holder_frees_the_lock"

    def async_lock(self, key):
        return _Staying(super().async_lock(key))


class _Staying:
    def __init__(self, lock):
        self._lock = lock

    async def __aenter__(self):
        await self._lock.__aenter__()

    async def __aexit__(self, kind, *error):
        if kind is None:
            await self._lock.__aexit__(kind, *error)


def _named(fault):
    dashed = re.sub(r"(?<!^)(?=[A-Z])", "-", fault.__name__).replace("_", "-").lower()
    return f"planted-{dashed}"


FAULTS = {_named(each): each for each in list(globals().values()) if hasattr(each, "found_by")}
"""Every fault, by the plugin's name."""
RACK = {}


@hookimpl
def cachu_make_backend(name, region):
    fault = FAULTS.get(name)
    if not isinstance(fault, type):
        return None
    shelf = RACK.setdefault((name, region.namespace), Shelf(region))
    if issubclass(fault, WholeBackend):
        return fault(shelf)
    return fault(shelf, RACK) if issubclass(fault, FullStore) else None


@hookimpl
def cachu_make_async_backend(name, region):
    shelf = RACK.setdefault((name, region.namespace), Shelf(region))
    fault = FAULTS.get(name)
    if isinstance(fault, type) and issubclass(fault, WholeBackend):
        return shelves.AsyncWholeBackend(fault(shelf))
    return fault.for_async(shelf) if hasattr(fault, "for_async") else None


@hookimpl
def cachu_make_key_serializer(name):
    fault = FAULTS.get(name)
    return None if isinstance(fault, type) else fault


@hookimpl
def cachu_make_value_serializer(name):
    fault = FAULTS.get(name)
    return fault() if hasattr(fault, "dumps") else None


@hookimpl
def cachu_make_lock_provider(name):
    fault = FAULTS.get(name)
    return fault() if hasattr(fault, "mutex") else None
