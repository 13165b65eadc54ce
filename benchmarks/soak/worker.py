"""Runs one function of a scene in this process; see `stage.Worker`."""

import json
import sys
from importlib import import_module

if __name__ == "__main__":
    module, _, function = sys.argv[1].partition(":")
    getattr(import_module(module), function)(**json.loads(sys.argv[2]))
