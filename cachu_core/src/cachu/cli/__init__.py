"""The command `cachu`: plugins, health and contents of caches, and help for authors of plugins.

It needs typer and rich, which the extra `cachu[cli]` brings.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command; without typer and rich say how to get them."""
    missing = [name for name in ("rich", "typer") if find_spec(name) is None]
    if missing:
        print(  # noqa: T201  there is nothing better yet
            f"The command cachu needs {' and '.join(missing)}, which "
            f"{'are' if missing[1:] else 'is'} not installed. Install it with: "
            'pip install "cachu[cli]"',
            file=sys.stderr,
        )
        raise SystemExit(2)
    from cachu.cli.app import app

    app(prog_name="cachu")
