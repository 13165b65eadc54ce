import sys
from pathlib import Path

from cachu.testing.suite import both, clock, colour  # noqa: F401  for tests beyond the suite

sys.path.append(str(Path(__file__).parent))  # for shelves.py
