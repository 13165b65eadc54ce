"""The tables, every statement, and how keys and tags are spelled in them. No input, no output.

A key is stored as

    region 8 | function | 0xff | rest

The region is a digest of the package, the key prefix and the time to live, so that all regions
share one table and each is one range of its keys. Up to its last colon a key names the function;
0xff, which no text has, stands for that colon, so that the keys of a function are one range too.
What is very long is spelled by a digest, marked by 0xfe. Tags are spelled alike: region, 0xfd, tag.

An entry expires at `expires`, and `due` is when to look whether it has. The two are the same at
first, but only the second is in an index, and it stays as it is when the entry is replaced by one
that lives longer: without that index such a write is a third faster.

`set_at` is a number that grows with every set of the entry by key: microseconds, or one more than
the last. It is 0 if the entry was only ever computed. Whoever computes it stores only over the
number that was there at the beginning.

`fence` remembers what was cleared, or was removed while somebody computed it: a result that was
begun before is not stored. A row without a name stands for all that was forgotten.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, NamedTuple

APPLICATION: Final = 0x63616368  # spells the first four letters of cachu
SCHEMA: Final = 1

CREATE: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE entry (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, tag BLOB, expires REAL NOT NULL,
    due REAL NOT NULL, set_at INTEGER NOT NULL, value NOT NULL
);
CREATE INDEX entry_due ON entry (due);
CREATE INDEX entry_tag ON entry (tag) WHERE tag IS NOT NULL;

-- The value of a large entry is the name of a file, as text.
CREATE INDEX entry_file ON entry (value) WHERE typeof(value) = 'text';
CREATE TABLE trash (file TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TRIGGER entry_deleted AFTER DELETE ON entry WHEN typeof(OLD.value) = 'text'
    BEGIN INSERT OR IGNORE INTO trash VALUES (OLD.value); END;
CREATE TRIGGER entry_replaced AFTER UPDATE OF value ON entry
    WHEN typeof(OLD.value) = 'text' AND OLD.value IS NOT NEW.value
    BEGIN INSERT OR IGNORE INTO trash VALUES (OLD.value); END;

CREATE TABLE region (
    id BLOB PRIMARY KEY, package BLOB NOT NULL, key_prefix BLOB NOT NULL, ttl REAL NOT NULL,
    seen REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE fence (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, what BLOB UNIQUE, made REAL NOT NULL
);
CREATE TABLE store (identity INTEGER NOT NULL);
INSERT INTO store VALUES (random());

PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {SCHEMA};
COMMIT;
"""  # noqa: S608  numbers of ours
IDENTITY: Final = "SELECT identity FROM store"

FIND: Final = "SELECT value FROM entry WHERE key = ?"
_ENTRY: Final = "INSERT INTO entry (key, tag, expires, due, value, set_at)"
_SET: Final = " ON CONFLICT (key) DO UPDATE SET expires = excluded.expires, value = excluded.value"
# The rest of what changes. Without it all indexes stay as they are.
_MOVE: Final = ", tag = excluded.tag, due = excluded.due"
# It does nothing if the tag changes, or the new entry would expire before the old one is due.
_STAYS: Final = " excluded.expires >= due AND tag IS excluded.tag"
_COUNT: Final = ", set_at = max(set_at + 1, excluded.set_at)"
# Clocks may be set to where time begins, or before it.
_STORE: Final = f"{_ENTRY} VALUES (?, ?, ?, ?, ?, max(?, 1)){_SET}{_COUNT}"
# The first that changes a row is the one.
STORE: Final = f"{_STORE} WHERE{_STAYS}", f"{_STORE}{_MOVE}"
# What was raised last of what concerns a key: itself, its region, its tag, or all there is.
_FENCE: Final = (
    "max(coalesce((SELECT max(seq) FROM fence WHERE what = ?), 0),"
    " coalesce((SELECT max(seq) FROM fence WHERE what = ?), 0),"
    " coalesce((SELECT max(seq) FROM fence WHERE what = ?), 0),"
    " coalesce((SELECT max(seq) FROM fence WHERE what IS NULL), 0))"
)
BEGIN: Final = (
    f"SELECT {_FENCE}, coalesce((SELECT set_at FROM entry WHERE key = ?), 0),"  # noqa: S608
    " (SELECT value FROM entry WHERE key = ? AND expires > ?)"
)
_COMMIT: Final = f"{_ENTRY} SELECT ?, ?, ?, ?, ?, 0 WHERE {_FENCE} <= ?{_SET}"
COMMIT: Final = (
    f"{_COMMIT} WHERE set_at = ? AND{_STAYS}",
    f"{_COMMIT}{_MOVE} WHERE set_at = ?",
)
DELETE_FRESH: Final = "DELETE FROM entry WHERE key = ? AND expires > ?"
DELETE: Final = "DELETE FROM entry WHERE key = ?"
RAISE_FENCE: Final = "INSERT OR REPLACE INTO fence (what, made) VALUES (?, ?)"

NEWEST: Final = "SELECT max(id) FROM entry"
CLEAR: Final = (
    "DELETE FROM entry WHERE id IN"
    " (SELECT id FROM entry WHERE key >= ? AND key < ? AND id <= ? LIMIT ?)"
)
CLEAR_TAG: Final = (
    "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE tag = ? AND id <= ? LIMIT ?)"
)
# All entries of a range less the stale ones: both are found in an index alone, or nearly so.
COUNT: Final = (
    "SELECT (SELECT count(*) FROM entry WHERE key >= ? AND key < ?) -"
    " (SELECT count(*) FROM entry INDEXED BY entry_due"
    " WHERE due <= ? AND expires <= ? AND key >= ? AND key < ?)"
)
COUNT_TAG: Final = (
    "SELECT count(*) FROM entry WHERE tag = ? AND expires > ? AND key >= ? AND key < ?"
)

NOTE_REGION: Final = "INSERT OR REPLACE INTO region VALUES (?, ?, ?, ?, ?)"
REGIONS: Final = "SELECT package, key_prefix, ttl FROM region"
UNSEEN_REGIONS: Final = "SELECT id FROM region WHERE seen < ?"
FORGET_REGION: Final = (
    "DELETE FROM region WHERE id = ?"
    " AND NOT EXISTS (SELECT 1 FROM entry WHERE key >= ? AND key < ?)"
)

# What was set and expires, or is evicted, while somebody computes it.
FENCE_SWEPT: Final = (
    "INSERT OR REPLACE INTO fence (what, made) SELECT key, ? FROM entry"
    " WHERE set_at > 0 AND expires <= ? AND id IN"
    " (SELECT id FROM entry WHERE due <= ? ORDER BY due LIMIT ?)"
)
FENCE_EVICTED: Final = (
    "INSERT OR REPLACE INTO fence (what, made) SELECT key, ? FROM entry WHERE id = ? AND set_at > 0"
)
_DUE: Final = "id IN (SELECT id FROM entry WHERE due <= ? ORDER BY due LIMIT ?)"
SWEEP: Final = f"DELETE FROM entry WHERE {_DUE} AND expires <= ?"  # noqa: S608
POSTPONE: Final = f"UPDATE entry SET due = expires WHERE {_DUE} AND expires > due"  # noqa: S608
FENCES: Final = "SELECT count(*), min(made) FROM fence"
FORGET_FENCES: Final = "DELETE FROM fence"
TRASH: Final = "SELECT file FROM trash LIMIT ?"
TRASHED: Final = "DELETE FROM trash WHERE file = CAST(? AS TEXT)"
FILES: Final = (
    "SELECT value FROM entry INDEXED BY entry_file WHERE typeof(value) = 'text'"
    " UNION ALL SELECT file FROM trash"
)
FILE_BYTES: Final = (
    "SELECT coalesce(sum(CAST(substr(value, 34) AS INTEGER)), 0) FROM entry INDEXED BY entry_file"
    " WHERE typeof(value) = 'text'"
)
SOONEST: Final = "SELECT id, expires > due, value FROM entry ORDER BY due, id LIMIT ?"
POSTPONE_ONE: Final = "UPDATE entry SET due = expires WHERE id = ?"
ROWS: Final = "SELECT count(*) FROM entry"
EVICT: Final = "DELETE FROM entry WHERE id = ?"

_SEPARATOR: Final = b"\xff"
_DIGESTED: Final = b"\xfe"
_TAGGED: Final = b"\xfd"
# Bytes above which a part of a key, and a whole tag, is spelled by a digest.
_LONG: Final = 500


class RegionKeys(NamedTuple):
    """How the keys and tags of one region are spelled.

    Attributes:
        id: What they begin with.
        package: The package, as it is called in shared stores.
        key_prefix: The key prefix.
        ttl: The time to live, in seconds.
    """

    id: bytes
    package: str
    key_prefix: str
    ttl: float

    def key(self, key: str) -> bytes:
        """Spell a key."""
        try:
            text = key.encode()
        except UnicodeEncodeError:
            text = encoded(key)
        if len(text) > _LONG:
            return self.id + _long_key(text)
        function, colon, rest = text.rpartition(b":")
        return self.id + function + _SEPARATOR + rest if colon else self.id + rest

    def tag(self, tag: str) -> bytes:
        """Spell a tag."""
        return self.id + _TAGGED + _short(encoded(tag), _LONG)

    def function_range(self, function: str | None) -> tuple[bytes, bytes]:
        """Return where the keys of a function, or of the whole region, begin and end."""
        if function is None:
            return region_range(self.id)
        first = self.id + _short(encoded(function), _LONG) + _SEPARATOR
        return first, first + b"\xff"


def region_keys(namespace: str, package: str, key_prefix: str, ttl: float) -> RegionKeys:
    """Describe a region.

    Args:
        namespace: What tells it from all others.
        package: The package, as it is called in shared stores.
        key_prefix: The key prefix.
        ttl: The time to live, in seconds.
    """
    return RegionKeys(blake2b(encoded(namespace), digest_size=8).digest(), package, key_prefix, ttl)


def region_range(region: bytes) -> tuple[bytes, bytes]:
    """Return where the keys of the region with this id begin and end."""
    return region, region + b"\xff\xff"


def encoded(text: str) -> bytes:
    """Return any text as bytes, lone surrogates included."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def decoded(text: bytes) -> str:
    """Return what `encoded` was given."""
    return text.decode("utf-8", "surrogatepass")


def _long_key(text: bytes) -> bytes:
    function, colon, rest = text.rpartition(b":")
    rest = _short(rest, _LONG)
    return _short(function, _LONG) + _SEPARATOR + rest if colon else rest


def _short(text: bytes, limit: int) -> bytes:
    if len(text) <= limit:
        return text
    return _DIGESTED + blake2b(text, digest_size=32).digest()
