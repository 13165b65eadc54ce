"""Another process that uses the same backend; one for all tests, which is told what to do."""

from __future__ import annotations

import atexit
import pickle
import subprocess
import sys
from typing import Any

from cachu import catalogue, plugins
from cachu.testing.suite import colours
from cachu.testing.suite.colours import Asynchronous, Colour, Lifted, Plain, Running

_PROGRAM = "from cachu.testing.suite.children import serve; serve()"
_COLOURS: dict[str, type[Colour]] = {"sync": Plain, "async": Asynchronous}


class Child:
    """The other process as one test sees it: a colour of cachu, in the package of the test.

    Its function `shared` returns `[x, "child"]`; of every call of it or of its backend the test
    gets what it came to, or the error.
    """

    def __init__(self, process: subprocess.Popen[bytes], colour: Colour) -> None:
        self._process = process
        self._place = (colour.name, dict(colour.options), colour.package)

    def call(self, x: Any) -> Any:
        """Call the function there."""
        return self._ask("function", "__call__", x)

    def function(self, twin: str, *args: Any) -> Any:
        """Call a twin of the function there, such as `invalidate`."""
        return self._ask("function", twin, *args)

    def backend(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the backend there."""
        return self._ask("backend", method, *args, **kwargs)

    def clear(self, tag: str | None = None) -> int:
        """Clear the package from there."""
        return int(self._ask("colour", "clear", tag))

    def _ask(self, on: str, method: str, *args: Any, **kwargs: Any) -> Any:
        return Running(lambda: self._exchange((*self._place, on, method, args, kwargs))).result()

    def _exchange(self, question: tuple[Any, ...]) -> Any:
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("the other process has no pipes")
        pickle.dump(question, self._process.stdin)
        self._process.stdin.flush()
        answer, error = pickle.load(self._process.stdout)
        if error is not None:
            raise AssertionError(f"the other process failed: {error}")
        return answer


class Children:
    """Starts the one process when it is first needed, and another if that died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def of(self, colour: Colour) -> Child:
        """Return the other process for the tests of *colour*.

        Raises:
            LookupError: If it could not find the plugin, or not be told the options.
        """
        name = colour.backend_name
        plugin = plugins.serving(name)
        if plugin not in catalogue.BUILT_IN and plugin not in plugins.installed():
            raise LookupError("it is registered in this process only, and not installed")
        try:
            pickle.dumps(dict(colour.options))
        except Exception as error:
            reason = f"its options cannot be sent to another process: {error}"
            raise LookupError(reason) from error
        if self._process is None or self._process.poll() is not None:
            self._process = _start()
        return Child(self._process, colour)


def _start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _PROGRAM]
    process = subprocess.Popen(  # noqa: S603  of our own
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(colours.PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def serve() -> None:
    """Do, in the other process, what comes from standard input, until that is closed."""
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    places: dict[str, dict[str, Any]] = {}
    while True:
        try:
            name, options, package, on, method, args, kwargs = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            place = places.get(package)
            if place is None:
                places.clear()  # one test after the other
                place = places[package] = _placed(name, options, package)
            made = place["colour"].get_backend() if on == "backend" else place[on]
            answer = getattr(made, method)(*args, **kwargs), None
            message = pickle.dumps(answer)
        except BaseException as error:
            message = pickle.dumps((None, f"{type(error).__name__}: {error}"))
        answers.write(message)
        answers.flush()


def _placed(name: str, options: dict[str, Any], package: str) -> dict[str, Any]:
    colour = _COLOURS[name](options, package)
    function: Lifted = colour.cached(lambda x: [x, "child"], name="shared", tag="shared")
    return {"colour": colour, "function": function}
