"""How the arguments of a call become a key.

connections   which arguments are database connections, and so no part of a key
canonical     one byte form per value, the same in every process
serializers   arguments to text, for the end of a key

`canonical` knows the built-in types; it calls on `classes` for every other class, which picks the
handler out of `natives` (standard library, the commonest of it in `quick`), `arrays` (numpy),
`records` (dataclasses and the like) or `states` (everything else).

spelling      the key of a call, from its arguments
places        where the arguments that count stand in a call
names         how a key is put together
"""

from __future__ import annotations

__all__: list[str] = []
