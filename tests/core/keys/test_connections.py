"""Which arguments are database connections (K6)."""

from __future__ import annotations

import gc
import sqlite3
import subprocess
import sys
import weakref
from unittest import mock

import pytest

from cachu.keys.connections import is_connection


class Shaped:
    """A connection of a driver that nobody knows, in the shape of PEP 249."""

    def cursor(self): ...

    def commit(self): ...

    def rollback(self): ...

    def close(self): ...


class Inherited(Shaped): ...


class Withdrawn(Shaped):
    rollback = None


class Noncallable(Shaped):
    cursor = "a cursor"


class Incomplete:
    def cursor(self): ...

    def commit(self): ...

    def close(self): ...


class OnTheInstance:
    def __init__(self) -> None:
        self.cursor = self.commit = self.rollback = self.close = lambda: None


class SearchEngine:
    def __init__(self) -> None:
        self.engine = "v8"
        self.connection = "fast"
        self.session = 7


class Connection: ...


class Session: ...


class AnswersForEverything(type):
    def __getattr__(cls, name: str) -> object:
        return lambda: None


class Eager(metaclass=AnswersForEverything): ...


def driver_object(module: str, name: str) -> object:
    """Make an instance of a class that says it comes from a driver, derived once."""
    base = type(name, (), {"__module__": module})
    return type("Mine", (base,), {"__module__": "app.models"})()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("sqlalchemy.engine.base", "Engine"),
        ("sqlalchemy.engine.base", "Connection"),
        ("sqlalchemy.orm.session", "Session"),
        ("sqlalchemy.orm.scoping", "scoped_session"),
        ("sqlalchemy.ext.asyncio.engine", "AsyncEngine"),
        ("sqlalchemy.ext.asyncio.engine", "AsyncConnection"),
        ("sqlalchemy.ext.asyncio.session", "AsyncSession"),
        ("django.db.utils", "ConnectionHandler"),
        ("sqlite3", "Connection"),
        ("aiosqlite.core", "Connection"),
        ("duckdb", "DuckDBPyConnection"),
        ("_duckdb", "DuckDBPyConnection"),
        ("psycopg", "Connection"),
        ("psycopg.connection_async", "AsyncConnection"),
        ("psycopg_pool.pool", "ConnectionPool"),
        ("psycopg2.extensions", "connection"),
        ("asyncpg.connection", "Connection"),
        ("asyncpg.pool", "Pool"),
        ("pymysql.connections", "Connection"),
        ("MySQLdb.connections", "Connection"),
        ("mysql.connector.connection", "MySQLConnection"),
        ("pyodbc", "Connection"),
        ("cx_Oracle", "Connection"),
        ("oracledb.connection", "Connection"),
        ("snowflake.connector.connection", "SnowflakeConnection"),
        ("redis.client", "Redis"),
        ("redis.asyncio.client", "Redis"),
        ("valkey.client", "Valkey"),
        ("pymongo.mongo_client", "MongoClient"),
        ("pymongo.synchronous.mongo_client", "MongoClient"),
    ],
)
def test_k6_classes_of_drivers_are_known_by_module_and_name(module, name):
    assert is_connection(driver_object(module, name))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("sqlalchemy.sql.schema", "Table"),
        ("sqlalchemyish", "Engine"),
        ("my_sqlalchemy", "Session"),
        ("app.sqlalchemy", "Session"),
        ("requests.sessions", "Session"),
        ("redis_tools", "Redis"),
        ("pymongo.collection", "Collection"),
        ("pymongo.database", "Database"),
        ("sqlite3", "Row"),
        ("google.cloud.storage.client", "Client"),
    ],
)
def test_k6_neither_the_module_nor_the_name_is_enough(module, name):
    assert not is_connection(driver_object(module, name))


def test_k6_a_real_connection():
    connection = sqlite3.connect(":memory:")
    try:
        assert is_connection(connection)
        assert not is_connection(connection.cursor())
        assert not is_connection(sqlite3.Connection)
    finally:
        connection.close()


@pytest.mark.parametrize("kind", [Shaped, Inherited])
def test_k6_the_shape_of_pep_249_is_enough(kind):
    assert is_connection(kind())
    assert not is_connection(kind)


@pytest.mark.parametrize(
    "kind",
    [
        Withdrawn,
        Noncallable,
        Incomplete,
        OnTheInstance,
        SearchEngine,
        Connection,
        Session,
        Eager,
        mock.MagicMock,
    ],
)
def test_k6_a_likeness_is_not_a_connection(kind):
    assert not is_connection(kind())


@pytest.mark.parametrize(
    "value",
    [None, True, 1, 1.5, 1j, "sqlite3.Connection", b"", bytearray(), (), [], {}, set(), print],
)
def test_k6_plain_values_are_not_connections(value):
    assert not is_connection(value)


def test_k6_no_driver_is_imported():
    code = (
        "import sys; from cachu.keys.connections import is_connection\n"
        "is_connection(object()); is_connection(sys)\n"
        "names = {'sqlite3', 'redis', 'sqlalchemy', 'psycopg', 'pymongo'}\n"
        "sys.exit(sorted(names & set(sys.modules)).__repr__() if names & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_classes_are_not_kept_alive():
    value = driver_object("sqlite3", "Connection")
    assert is_connection(value)
    seen = weakref.ref(type(value))
    del value
    gc.collect()
    assert seen() is None
