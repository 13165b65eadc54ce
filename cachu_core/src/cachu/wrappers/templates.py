"""The source of a wrapper, written out for one shape of parameters.

Python's own call binds the arguments, so that a hit is a look-up, a check of the types (1, True
and 1.0 are equal as dict keys), a look at the clock, and a counter. The parameters are called p0,
p1, ... here; `compiled` gives them their names.

What a wrapper reads from its globals:
    entries   the table of the function, an empty dict while caching is off
    time      the module, so that a frozen clock is seen
    miss      the call path for everything that is not a plain hit
    function  the decorated function
    refuse    raises the function's own error for too many arguments
    thread    tells the calling thread, where each counts for itself
    touch     marks an entry as just used, in bounded tables
"""

from __future__ import annotations

from cachu.counters import FREE_THREADED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachu.wrappers.parameters import Shape

# How a wrapper finds a hit by itself: in memory, or near, which is what a store watches over.
# "direct" has it ask the call path for everything.
MODES = ("timed", "lasting", "timed-bounded", "lasting-bounded", "near", "direct")


def wrapper(shape: Shape, mode: str, *, coroutine: bool) -> str:
    """Return the source of `make`, which defines the wrapper `call` over its counter `hits`."""
    positional_control = has_surplus(shape)
    waiting = "await " if coroutine else ""
    call = f"{waiting}function({_forward(shape)})"
    control = "_skip_cache is None and _overwrite_cache is None"
    if positional_control:
        control = f"surplus is UNSET and {control}"
    refusal = f"refuse(({_tuple(shape)}surplus, _skip_cache, _overwrite_cache))"
    lines = [
        "def make():",
        "    hits = None",
        f"    {'async ' if coroutine else ''}def call({_signature(shape, control=True)}):",
        "        nonlocal hits",
        f"        if {control}:",
        *(f"            {line}" for line in _hit(shape, mode)),
        f"            return {waiting}miss({_bound(shape)})",
    ]
    if positional_control:
        lines += [
            "        if surplus is not UNSET:",
            f"            return {waiting}{refusal}",
        ]
    lines += [
        "        if _skip_cache:",
        f"            return {call}",
        f"        return {waiting}miss({_bound(shape)}, _overwrite_cache)",
        "    return call",
    ]
    return "\n".join(lines) + "\n"


def binder(shape: Shape) -> str:
    """Return the source of `make`, whose `call` only binds: (raw key, args, kwargs)."""
    return (
        "def make():\n"
        f"    def call({_signature(shape, control=False)}):\n"
        f"        return {_bound(shape)}\n"
        "    return call\n"
    )


def has_surplus(shape: Shape) -> bool:
    """Tell whether the control arguments are positional, which costs a hit less.

    A parameter in front of them then catches a positional argument too many.
    """
    _, _, keyword_only, star, double_star, _, _ = shape
    return not (keyword_only or star or double_star)


def raw_key(shape: Shape) -> str:
    """Return the expression of the raw key: a scalar, or a tuple of none or at least two."""
    parts = _raw_parts(shape)
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _hit(shape: Shape, mode: str) -> list[str]:
    if mode == "direct":
        return []
    parts = _raw_parts(shape)
    # The class of self is part of the key itself and needs no second look.
    checked = [i for i, part in enumerate(parts) if not part.startswith("type(")]
    kept = ["value", "deadline" if mode.startswith("timed") else "created"]
    checks = [f"type({parts[i]}) is t{i}" for i in checked]
    found = ["hits[thread()] += 1" if FREE_THREADED else "hits += 1", "return value"]
    if mode.startswith("timed"):
        checks.append("time.time() < deadline")
    if mode.endswith("bounded"):
        found.insert(0, f"touch({raw_key(shape)})")
    if mode == "near":
        kept = ["near"]
        checks.append("near.start <= time.time() < near.end")
        checks.append("time.monotonic() < near.watch.until")
        found[:0] = ["value, again = near.made", "if again is not None: value = again()"]
    unpacked = [*kept, *(f"t{i}" for i in checked)]
    if checks:
        found = [f"if {' and '.join(checks)}:", *(f"    {line}" for line in found)]
    lines = [
        "try:",
        f"    {', '.join(unpacked)}, = entries[{raw_key(shape)}]",
        *(f"    {line}" for line in found),
        # Not there, unhashable, or an entry of another form: the call path looks with more care.
        # (A warning is what `python -bb` makes of bytes beside str.) Nothing else is caught, for a
        # signal handler may raise in here.
        "except (KeyError, TypeError, ValueError, BytesWarning):",
        "    pass",
    ]
    spelled = _keyed_variadic(shape)
    if spelled:
        lines = [f"if not {' and not '.join(spelled)}:", *(f"    {line}" for line in lines)]
    return lines


def _raw_parts(shape: Shape) -> list[str]:
    _, positional, keyword_only, _, _, keyed, receiver = shape
    parts = [f"p{i}" for i in range(positional + keyword_only) if keyed[i]]
    if receiver == "self":
        parts[0] = "type(p0)"
    return parts


def _variadic(shape: Shape) -> list[str]:
    _, positional, keyword_only, star, double_star, _, _ = shape
    first = positional + keyword_only
    return [f"p{first + i}" for i in range(star + double_star)]


def _keyed_variadic(shape: Shape) -> list[str]:
    """Return those of `*args` and `**kwargs` that count: unless empty, they make a spelled key."""
    keyed = shape[5]
    return [name for name in _variadic(shape) if keyed[int(name[1:])]]


def _signature(shape: Shape, *, control: bool) -> str:
    positional_only, positional, keyword_only, star, double_star, _, _ = shape
    names = [f"p{i}" for i in range(positional)]
    if positional_only:
        names.insert(positional_only, "/")
    variadic = _variadic(shape)
    if star:
        names.append(f"*{variadic[0]}")
    elif not has_surplus(shape) and (keyword_only or control):
        names.append("*")
    names += [f"p{positional + i}" for i in range(keyword_only)]
    if control:
        names += ["surplus"] * has_surplus(shape) + ["_skip_cache", "_overwrite_cache"]
    if double_star:
        names.append(f"**{variadic[-1]}")
    return ", ".join(names)


def _forward(shape: Shape) -> str:
    _, positional, keyword_only, star, _, _, _ = shape
    variadic = _variadic(shape)
    passed = [f"p{i}" for i in range(positional)]
    passed += [f"*{name}" for name in variadic[:star]]
    passed += [f"p{positional + i}=p{positional + i}" for i in range(keyword_only)]
    passed += [f"**{name}" for name in variadic[star:]]
    return ", ".join(passed)


def _tuple(shape: Shape) -> str:
    _, positional, _, star, _, _, _ = shape
    items = [f"p{i}" for i in range(positional)] + [f"*{p}" for p in _variadic(shape)[:star]]
    return "".join(f"{item}, " for item in items)


def _bound(shape: Shape) -> str:
    """Return the expressions of raw key, args and kwargs, as the call paths take them."""
    _, positional, keyword_only, star, _, _, _ = shape
    variadic = _variadic(shape)
    key = raw_key(shape)
    spelled = _keyed_variadic(shape)
    if spelled:
        key = f"({key} if not {' and not '.join(spelled)} else UNSET)"
    keywords = [f"'p{positional + i}': p{positional + i}" for i in range(keyword_only)]
    keywords += [f"**{name}" for name in variadic[star:]]
    kwargs = f"{{{', '.join(keywords)}}}" if keywords else "None"
    return f"{key}, ({_tuple(shape)}), {kwargs}"
