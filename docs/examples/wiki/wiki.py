# /// script
# requires-python = ">=3.10"
# dependencies = ["cachu", "flask", "markdown-it-py", "waitress"]
#
# [tool.uv.sources] # the cachu of this clone; leave these lines out to take the released one
# cachu = { path = "../../..", editable = true }
# cachu-core = { path = "../../../cachu_core", editable = true }
# cachu-file = { path = "../../../cachu_file", editable = true }
# ///
"""A wiki with Flask: rendered pages are cached, tags say what a change concerns.

    uv run docs/examples/wiki/wiki.py

Saving a page invalidates that page, and by tag all that is made of many pages: the index and who
links where. A browser that reloads past its own cache (Shift and reload) gets past this one, too.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import waitress
from flask import Flask, g, redirect, render_template, request
from markdown_it import MarkdownIt

import cachu

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from werkzeug.wrappers import Response

LINK = re.compile(r"\[\[([\w ]+)\]\]")
SCHEMA = """
CREATE TABLE IF NOT EXISTS pages (name TEXT PRIMARY KEY, text TEXT NOT NULL);
INSERT OR IGNORE INTO pages VALUES
    ('Home', '# Welcome\n\nThis is a **wiki**. See [[Caching]], or write about [[Cats]].'),
    ('Caching', '# Caching\n\nA page is rendered once and read often. Back to [[Home]].');
"""


class Wiki(Flask):
    """Answers a request for which the browser wants no cache without one, and no other request."""

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "no-cache" in environ.get("HTTP_CACHE_CONTROL", ""):
            with cachu.disabled():
                return super().wsgi_app(environ, start_response)
        return super().wsgi_app(environ, start_response)


app = Wiki(__name__, template_folder=".")


def database() -> sqlite3.Connection:
    if "database" not in g:
        g.database = sqlite3.connect(app.config["DATABASE"])
    connection: sqlite3.Connection = g.database
    return connection


@app.teardown_appcontext
def close_database(_: BaseException | None) -> None:
    if connection := g.pop("database", None):
        connection.close()


# Connections are never part of a key: every request has its own, and all share the entries.


@cachu.cache(ttl=3600, tag="pages")
def render(db: sqlite3.Connection, name: str) -> str:
    """Return a page as HTML; links to pages that are yet to be written are marked."""
    row = db.execute("SELECT text FROM pages WHERE name = ?", [name]).fetchone()
    if row is None:
        return ""
    written = set(page_names(db))

    def link(match: re.Match[str]) -> str:
        return f'[{match[1]}](</{match[1]}> "{"" if match[1] in written else "not written yet"}")'

    text = LINK.sub(link, row[0])
    return str(MarkdownIt("commonmark", {"html": False}).render(text))


@cachu.cache(ttl=3600, tag="index")
def page_names(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM pages ORDER BY name")]


@cachu.cache(ttl=3600, tag="index")
def linked_from(db: sqlite3.Connection, name: str) -> list[str]:
    pages = db.execute("SELECT name, text FROM pages ORDER BY name")
    return [page for page, text in pages if name in LINK.findall(text)]


@app.get("/")
def home() -> Response:
    return redirect("/Home")


@app.get("/<name>")
def read(name: str) -> str:
    db = database()
    return render_template(
        "page.html",
        name=name,
        html=render(db, name),
        pages=page_names(db),
        linked_from=linked_from(db, name),
    )


@app.get("/<name>/edit")
def edit(name: str) -> str:
    row = database().execute("SELECT text FROM pages WHERE name = ?", [name]).fetchone()
    return render_template("page.html", name=name, text=row[0] if row else "", editing=True)


@app.post("/<name>")
def save(name: str) -> Response:
    db = database()
    known = name in page_names.skip(db)  # asks the database itself
    with db:
        db.execute("REPLACE INTO pages VALUES (?, ?)", [name, request.form["text"]])
    cachu.cache_clear(tag="index")
    if known:
        render.invalidate(db, name)
    else:
        cachu.cache_clear(tag="pages")  # any page may have a link to this one
    return redirect(f"/{name}")


@app.get("/-/stats")
def stats() -> dict[str, dict[str, int]]:
    return {f.__name__: f.info()._asdict() for f in (render, page_names, linked_from)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--database", default=Path(tempfile.gettempdir(), "cachu-wiki.db"))
    arguments = parser.parse_args()
    app.config["DATABASE"] = arguments.database
    with sqlite3.connect(arguments.database) as connection:
        connection.executescript(SCHEMA)
    print(f"http://127.0.0.1:{arguments.port}", flush=True)
    waitress.serve(app, host="127.0.0.1", port=arguments.port, threads=8)
