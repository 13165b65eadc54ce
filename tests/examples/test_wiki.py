"""The wiki: what a save concerns, one rendering for many readers, reloads past the cache."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

NOT_WRITTEN = '<a href="/Dogs" title="not written yet">'


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return tmp_path_factory.mktemp("wiki") / "wiki.db"


@pytest.fixture(scope="module")
def url(start, database):
    return start("wiki", "/-/stats", "--database", database).url


@pytest.fixture
def wiki(url):
    with httpx.Client(base_url=url, follow_redirects=True, timeout=30) as client:
        yield client


def counts(wiki, function):
    stats = wiki.get("/-/stats").json()[function]
    return stats["hits"], stats["misses"]


def page(wiki, name, **headers):
    return wiki.get(f"/{name}", headers=headers).raise_for_status().text


def save(wiki, name, text):
    wiki.post(f"/{name}", data={"text": text}).raise_for_status()


def rewrite(database, name, text):
    """Change a page where the wiki does not notice."""
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE pages SET text = ? WHERE name = ?", [text, name])
    connection.close()


def test_many_readers_wait_for_one_rendering(wiki):
    text = "\n\n".join(f"Paragraph {n} of *many*" for n in range(3000))
    wiki.post("/Long", data={"text": text}, follow_redirects=False)
    hits, misses = counts(wiki, "render")
    with ThreadPoolExecutor(16) as readers:
        pages = list(readers.map(lambda _: page(wiki, "Long"), range(40)))
    assert len(set(pages)) == 1
    assert "Paragraph 2999" in pages[0]
    assert counts(wiki, "render") == (hits + 39, misses + 1)


def test_a_save_invalidates_its_page_only(wiki):
    page(wiki, "Home"), page(wiki, "Caching")
    hits, misses = counts(wiki, "render")
    save(wiki, "Caching", "# Caching\n\nAnother text. Back to [[Home]].")  # leads to the page
    assert counts(wiki, "render") == (hits, misses + 1)
    page(wiki, "Home")
    assert counts(wiki, "render") == (hits + 1, misses + 1)
    assert "Another text" in page(wiki, "Caching")


def test_a_new_page_changes_the_links_to_it_and_the_index(wiki):
    save(wiki, "Caching", "About [[Dogs]]")
    assert NOT_WRITTEN in page(wiki, "Caching")
    save(wiki, "Dogs", "# Dogs")
    caching, dogs = page(wiki, "Caching"), page(wiki, "Dogs")
    assert NOT_WRITTEN not in caching
    assert '<a href="/Dogs">Dogs</a>' in caching.partition("</header>")[0]
    assert 'Linked from <a href="/Caching">' in dogs


def test_who_links_here_follows_every_save(wiki):
    save(wiki, "Target", "# Target")
    save(wiki, "Source", "See [[Target]]")
    assert "Linked from" in page(wiki, "Target")
    save(wiki, "Source", "See nothing")
    assert "Linked from" not in page(wiki, "Target")


def test_a_reload_gets_past_the_cache_and_leaves_it_alone(wiki, database):
    save(wiki, "News", "yesterday's")
    before = counts(wiki, "render"), counts(wiki, "page_names"), counts(wiki, "linked_from")
    rewrite(database, "News", "today's")
    assert "today's" in page(wiki, "News", **{"Cache-Control": "no-cache"})
    after = counts(wiki, "render"), counts(wiki, "page_names"), counts(wiki, "linked_from")
    assert after == before
    assert "yesterday's" in page(wiki, "News")


def test_reloads_do_not_disturb_requests_beside_them(wiki):
    page(wiki, "Home")
    hits, misses = counts(wiki, "render")

    def visit(number):
        page(wiki, "Home", **({"Cache-Control": "no-cache"} if number % 2 else {}))

    with ThreadPoolExecutor(8) as readers:
        list(readers.map(visit, range(100)))
    assert counts(wiki, "render") == (hits + 50, misses)
