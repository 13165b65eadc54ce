"""Says what is wrong when `cachu` has lost its `__init__.py`, and how to put it right.

This file is installed beside the package `cachu`, which Python prefers as long as it is whole. It
is not once pip has upgraded a release before 1.0, which was one distribution: pip installs
`cachu-core` first, then removes what belonged to the old `cachu`, under the same names.
"""

raise ImportError(
    "cachu is damaged: when pip removed an earlier release of it, files of the new one went too. "
    "Put them back with: python -m pip install --force-reinstall --no-deps cachu-core"
)
