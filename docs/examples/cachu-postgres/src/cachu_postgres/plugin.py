"""The plugin `postgres`: imports nothing heavy, so that asking for its options costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachu.hookspecs import hookimpl
from cachu.settings import Settings

if TYPE_CHECKING:
    from cachu_postgres.store import PostgresStore

    from cachu.regions import Region


class PostgresSettings(Settings):
    """Options of the backend `postgres`."""

    postgres_url: str = "postgresql://localhost/postgres"


@hookimpl
def cachu_settings(name: str) -> type[Settings] | None:
    """Name the options."""
    return PostgresSettings if name == "postgres" else None


@hookimpl
def cachu_make_backend(name: str, region: Region) -> PostgresStore | None:
    """Make the store of a region; cachu makes the asynchronous side of it, too."""
    if name != "postgres":
        return None
    from cachu_postgres.store import PostgresStore

    return PostgresStore(region.config.settings("postgres").postgres_url, region.namespace)
