"""Backends that are there for the length of a test, under a name or in the place of others."""

from __future__ import annotations

from cachu import plugins, regions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import ClassVar, TypeVar

    S = TypeVar("S", bound="Stage")

__all__ = ["Stage"]


class Stage:
    """A plugin that registers itself as a context manager, and may take the place of others.

    Attributes:
        backend: What to call it: `cachu.configure(backend=stage.backend, package="shop")`.
    """

    backend: ClassVar[str]

    def __init__(self) -> None:
        self._names: set[str] = {self.backend}

    def replace(self, *backends: str) -> None:
        """Take the place of other backends, also where a decorator names one.

        Args:
            *backends: Their names, such as `"redis"`; what they hold is left alone.

        Raises:
            UnknownPluginError: If there is no such backend.
        """
        for name in backends:
            plugins.ensure(name, "cachu_make_backend", "cachu_make_async_backend")
        regions.clear_backends()  # what is in use was made by the others
        self._names.update(backends)

    def stands_for(self, name: str) -> bool:
        """Tell whether it answers to a name."""
        return name in self._names

    def __enter__(self: S) -> S:  # noqa: PYI019  typing.Self is newer than Python 3.10
        plugins.register(self, self.backend)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        plugins.unregister(self.backend)
        regions.clear_backends()
