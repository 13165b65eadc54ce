"""Three-method stores whose data other processes see: a file per entry, in a folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cachu import plugins
from cachu.backends.stores import AsyncStore, Store
from cachu.hookspecs import hookimpl


class FolderStore(Store):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, key):
        return self.folder / hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

    def load(self, key, tag=None):
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def store(self, key, data, ttl, tag=""):
        path = self._path(key)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(data)
        draft.replace(path)

    def delete(self, key):
        try:
            self._path(key).unlink()
        except FileNotFoundError:
            return False
        return True


class AsyncFolderStore(AsyncStore):
    def __init__(self, folder: Path) -> None:
        self.plain = FolderStore(folder)

    async def load(self, key, tag=None):
        return self.plain.load(key, tag)

    async def store(self, key, data, ttl, tag=""):
        self.plain.store(key, data, ttl, tag)

    async def delete(self, key):
        return self.plain.delete(key)


class FolderPlugin:
    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def _of(self, region):
        return self.folder / hashlib.sha256(region.namespace.encode()).hexdigest()

    @hookimpl
    def cachu_make_backend(self, name, region):
        return FolderStore(self._of(region)) if name == "folder" else None

    @hookimpl
    def cachu_make_async_backend(self, name, region):
        return AsyncFolderStore(self._of(region)) if name == "async-folder" else None


def register(folder: str) -> None:
    """Register both under `folder` and `async-folder`."""
    plugins.register(FolderPlugin(folder), "folder")
    plugins.register(FolderPlugin(folder), "async-folder")
