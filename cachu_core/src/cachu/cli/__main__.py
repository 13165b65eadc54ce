"""`python -m cachu.cli` is the command `cachu`."""

from __future__ import annotations

from cachu.cli import main

main()
