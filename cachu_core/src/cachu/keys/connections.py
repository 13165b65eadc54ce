"""Which arguments are database connections, and therefore no part of a key.

A driver is never imported to find out: its classes are known by module and name, here and among
the bases, and unknown drivers by the shape that PEP 249 gives to a connection. Cursors, tables and
collections are not here, because they say *which* data a function reads.
"""

from __future__ import annotations

from weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["PLAIN", "is_connection"]

_ASYNC_AND_SYNC_SQL = (
    "Engine Connection Session scoped_session sessionmaker "
    "AsyncEngine AsyncConnection AsyncSession async_scoped_session async_sessionmaker "
    "Pool PoolProxiedConnection _ConnectionFairy"
)
_REDIS = "Redis RedisCluster Sentinel Pipeline ClusterPipeline ConnectionPool Connection"
_VALKEY = "Valkey ValkeyCluster Sentinel Pipeline ClusterPipeline ConnectionPool Connection"

# Module, or package with all below it -> the classes whose instances are connections.
_DRIVERS: dict[str, frozenset[str]] = {
    module: frozenset(names.split())
    for module, names in {
        # SQL toolkits
        "sqlalchemy": _ASYNC_AND_SYNC_SQL,
        "sqlmodel": "Session AsyncSession",
        "django.db": "BaseDatabaseWrapper ConnectionProxy ConnectionHandler",
        "databases": "Database Connection",
        "peewee": "Database",
        "pony.orm": "Database",
        "piccolo.engine": "Engine",
        "tortoise.backends": "BaseDBAsyncClient",
        # SQLite, DuckDB
        "sqlite3": "Connection",
        "pysqlite3": "Connection",
        "sqlcipher3": "Connection",
        "apsw": "Connection",
        "aiosqlite": "Connection",
        "libsql": "Connection",
        "duckdb": "DuckDBPyConnection",
        "_duckdb": "DuckDBPyConnection",
        # PostgreSQL
        "psycopg": "Connection AsyncConnection BaseConnection",
        "psycopg_pool": "ConnectionPool AsyncConnectionPool NullConnectionPool BasePool",
        "psycopg2": "connection AbstractConnectionPool",
        "psycopg2cffi": "connection",
        "asyncpg": "Connection Pool PoolConnectionProxy",
        "aiopg": "Connection Pool SAConnection Engine",
        "pg8000": "Connection CoreConnection",
        "pgdb": "Connection",
        "postgresql": "Connection",
        # MySQL, MariaDB
        "pymysql": "Connection",
        "MySQLdb": "Connection",
        "_mysql": "connection",
        "aiomysql": "Connection Pool SAConnection Engine",
        "asyncmy": "Connection Pool",
        "mysql.connector": "MySQLConnectionAbstract MySQLConnection CMySQLConnection "
        "PooledMySQLConnection MySQLConnectionPool",
        "_mysql_connector": "MySQL",
        "mariadb": "Connection ConnectionPool",
        # Oracle, SQL Server, Db2, ODBC, JDBC
        "oracledb": "Connection AsyncConnection BaseConnection ConnectionPool AsyncConnectionPool",
        "cx_Oracle": "Connection SessionPool",
        "pymssql": "Connection",
        "_mssql": "MSSQLConnection",
        "pytds": "Connection",
        "mssql_python": "Connection",
        "ibm_db_dbi": "Connection",
        "hdbcli": "Connection",
        "pyodbc": "Connection",
        "aioodbc": "Connection Pool",
        "turbodbc": "Connection",
        "jaydebeapi": "Connection",
        "fdb": "Connection",
        "firebird.driver": "Connection",
        # Warehouses
        "snowflake.connector": "SnowflakeConnection",
        "snowflake.snowpark": "Session",
        "databricks.sql": "Connection",
        "redshift_connector": "Connection",
        "pyathena": "Connection",
        "trino": "Connection",
        "prestodb": "Connection",
        "pyhive": "Connection",
        "vertica_python": "Connection",
        "clickhouse_driver": "Client Connection",
        "clickhouse_connect.driver": "Client AsyncClient",
        "google.cloud.bigquery": "Client Connection",
        "adbc_driver_manager": "Connection AdbcConnection AdbcDatabase",
        "pyspark.sql": "SparkSession",
        # Key-value and document stores
        "redis": _REDIS,
        "valkey": _VALKEY,
        "aioredis": _REDIS,
        "coredis": "Redis RedisCluster Client ConnectionPool",
        "glide": "GlideClient GlideClusterClient",
        "pymongo": "MongoClient AsyncMongoClient ClientSession AsyncClientSession",
        "motor": "AgnosticClient AsyncIOMotorClient MotorClient",
        "cassandra.cluster": "Cluster Session",
        "neo4j": "Driver AsyncDriver Session AsyncSession Transaction AsyncTransaction",
        "elasticsearch": "Elasticsearch AsyncElasticsearch",
        "opensearchpy": "OpenSearch AsyncOpenSearch",
        "pymemcache": "Client PooledClient HashClient",
    }.items()
}

_SHAPE = ("cursor", "commit", "rollback", "close")
PLAIN = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes, bytearray),
        *(tuple, list, set, frozenset, dict),
    }
)

# By id, for a metaclass may redefine what is equal.
_answers: Final[dict[int, tuple[ref[type], bool]]] = {}


def is_connection(value: object) -> bool:
    """Tell whether a value is a database connection, by its class alone.

    Args:
        value: An argument of a call.

    Returns:
        True for connections, engines, sessions, pools and clients of the drivers that are known,
        for instances of their subclasses, and for whatever has the shape of a PEP 249 connection.
    """
    cls = type(value)
    if cls in PLAIN:
        return False
    place = id(cls)
    known = _answers.get(place)
    if known is not None and known[0]() is cls:
        return known[1]
    answer = _known(cls) or _shaped(cls)
    _answers[place] = ref(cls, lambda _: _answers.pop(place, None)), answer
    return answer


def _known(cls: type) -> bool:
    for base in cls.__mro__:
        prefix = str(base.__module__)
        while prefix:
            if base.__name__ in _DRIVERS.get(prefix, ()):
                return True
            prefix = prefix.rpartition(".")[0]
    return False


def _shaped(cls: type) -> bool:
    for name in _SHAPE:
        # Not getattr(), which a metaclass may answer for every name.
        owner = next((base for base in cls.__mro__ if name in vars(base)), None)
        if owner is None or not callable(vars(owner)[name]):
            return False
    return True
