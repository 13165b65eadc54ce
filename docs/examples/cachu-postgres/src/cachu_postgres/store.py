"""Entries in one table of PostgreSQL, by a pool of connections for each process."""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Any

from psycopg_pool import ConnectionPool

from cachu.backends import Capability
from cachu.backends.stores import Store

_TABLE = """SELECT pg_advisory_xact_lock(631); CREATE UNLOGGED TABLE IF NOT EXISTS cachu
    (key bytea PRIMARY KEY, data bytea NOT NULL, expires timestamptz NOT NULL);
CREATE INDEX IF NOT EXISTS cachu_expires ON cachu (expires)"""
_STORE = """WITH old AS
    (DELETE FROM cachu WHERE expires < now() - interval '1 minute' AND key <> %(key)s)
INSERT INTO cachu VALUES (%(key)s, %(data)s, now() + make_interval(secs => %(ttl)s))
ON CONFLICT (key) DO UPDATE SET data = excluded.data, expires = excluded.expires"""
_OPTIONS: Any = {"min_size": 0, "max_size": 9, "timeout": 1, "kwargs": {"autocommit": True}}
_pools: dict[tuple[str, int], ConnectionPool] = {}


class PostgresStore(Store):
    """The entries of one region."""

    capabilities = Capability.SHARED | Capability.PERSISTENT | Capability.EXPIRY

    def __init__(self, url: str, namespace: str) -> None:
        self._url, self._namespace = url, namespace

    def load(self, key: str, tag: str | None = None) -> bytes | None:
        """Return the data under *key*, or None."""
        found = self._run("SELECT data FROM cachu WHERE key = %(key)s", key)
        return found[0][0] if found else None

    def store(self, key: str, data: bytes, ttl: float, tag: str = "") -> None:
        """Keep *data*, and sweep what expired a minute ago."""
        self._run(_STORE, key, data=data, ttl=min(ttl, 1e9))

    def delete(self, key: str) -> bool:
        """Forget the data under *key*, and say whether it was there."""
        return bool(self._run("DELETE FROM cachu WHERE key = %(key)s RETURNING 1", key))

    def close(self) -> None:
        """Close the connections of this process."""
        if pool := _pools.pop((self._url, os.getpid()), None):
            pool.close()

    def _run(self, sql: str, key: str, **values: Any) -> list[Any]:
        place = f"{self._namespace}:{key}".encode("utf-8", "surrogatepass")  # any text, any length
        with _pool(self._url).connection() as connection:
            cursor = connection.execute(sql, {"key": blake2b(place).digest(), **values})
            return cursor.fetchall() if cursor.description else []


def _pool(url: str) -> ConnectionPool:
    place = (url, os.getpid())  # a forked child has one of its own
    if place not in _pools:
        _pools.setdefault(place, ConnectionPool(url, open=False, configure=_prepare, **_OPTIONS))
    _pools[place].open()
    return _pools[place]


def _prepare(connection: Any) -> None:
    connection.execute(_TABLE)
