"""Which package a function or a call belongs to, and how its name is written in shared stores."""
# ruff: noqa: PTH100, PTH109, PTH119, PTH122  pathlib would cost more than all of this module

from __future__ import annotations

import os
import sys

from cachu.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_MAIN = "__main__"
_SPAWNED_MAIN = "__mp_main__"  # what multiprocessing calls the main module in a spawned child
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.<>-")


def caller_package() -> str:
    """Name the package of the code that called into cachu.

    Returns:
        The package of the first calling frame that is not cachu's own. A module is cachu's own if
        it is `cachu` or below it, not because its name starts with those letters.
    """
    frame = _foreign_frame()[0]
    return package_of(frame.f_globals.get("__name__") if frame is not None else None)


def depth_of_caller() -> int:
    """Count the frames from the calling function to the code that called into cachu.

    Returns:
        What `warnings.warn` takes as `stacklevel` to blame that code.
    """
    return _foreign_frame()[1]


def _foreign_frame() -> tuple[FrameType | None, int]:
    """Find the first frame that is not cachu's own, and how many are in front of it."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001
    depth = 1
    while frame is not None:
        name = frame.f_globals.get("__name__")
        own = isinstance(name, str) and name.partition(".")[0] == "cachu"
        # The wrappers of other people's functions are cachu's too.
        if not own and not frame.f_code.co_filename.startswith("<cachu "):
            break
        frame, depth = frame.f_back, depth + 1
    return frame, depth


def package_of(module: str | None) -> str:
    """Name the package that a module belongs to.

    Args:
        module: The `__name__` of a module. None or an empty name, as code run by `exec` may have,
            is taken for the main module.

    Returns:
        The top-level package. For the main module: `pkg` under `python -m pkg.mod`, otherwise
        `__main__.<script stem>`, or just `__main__` where there is no script.
    """
    if not isinstance(module, str) or not module or module in (_MAIN, _SPAWNED_MAIN):
        package, path = _main(module)
        if package is None:
            package = f"{_MAIN}.{_stem(path)}" if path else _MAIN
        return package
    return module.partition(".")[0] or module


def named(package: str) -> str:
    """Check a package name that was given by hand.

    Args:
        package: Any name; `__main__` stands for the running script.

    Returns:
        The name to use.

    Raises:
        ConfigurationError: If it is not a string, or is empty.
    """
    if not package or not isinstance(package, str):
        raise ConfigurationError(f"package must be a non-empty str, got {package!r}.")
    return package_of(package) if package in (_MAIN, _SPAWNED_MAIN) else package


def shared_name(package: str) -> str:
    """Name a package where other programs can see it, in a shared store.

    Args:
        package: The name that the package has in this process.

    Returns:
        The same name, except that a script's also carries a digest of the script's absolute path:
        two scripts called `run.py` share nothing. Without a script, as in a REPL or a notebook, the
        notebook or the working directory stands in for it.
    """
    if package != _MAIN and not package.startswith(f"{_MAIN}."):
        return package
    from hashlib import blake2b

    path = _main(None)[1]
    place = os.path.abspath(path) if path else os.environ.get("JPY_SESSION_NAME") or os.getcwd()
    return f"{package}-{blake2b(os.fsencode(place), digest_size=8).hexdigest()}"


def escape(text: str) -> str:
    """Write any text so that it can be one part of a path or of a key.

    Args:
        text: Any text, lone surrogates included.

    Returns:
        The text with everything outside `[A-Za-z0-9_.<>-]` percent-encoded. Different texts stay
        different, and none becomes `.` or `..`.
    """
    data = text.encode("utf-8", "surrogatepass")
    if data in (b".", b".."):
        return "%2E" * len(data)
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data)


def _main(module: str | None) -> tuple[str | None, str | None]:
    """Find the package and the path of the main module, as far as there are any."""
    # While a spawned child still rebuilds the parent's main module, `__main__` is only a bootstrap.
    order = (_SPAWNED_MAIN, _MAIN) if module == _SPAWNED_MAIN else (_MAIN, _SPAWNED_MAIN)
    for name in order:
        main = sys.modules.get(name)
        path = getattr(main, "__file__", None)
        spec = getattr(main, "__spec__", None)
        if spec is not None and spec.name and spec.name not in order:
            return spec.name.partition(".")[0], path
        if path:
            return None, path
    return None, None


def _stem(path: str) -> str:
    folder, name = os.path.split(os.path.abspath(path))
    stem = os.path.splitext(name)[0]
    if stem == _MAIN:  # a directory or a zip file that was run as a script
        stem = os.path.splitext(os.path.basename(folder))[0]
    return stem
