"""A region is what one package keeps with one key prefix and one time to live."""

from __future__ import annotations

from cachu import packages
from cachu.ttls import spell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from cachu.package_config import Config

    Identity: TypeAlias = tuple[str, str, float]

__all__ = ["Region"]


class Region:
    """What one package keeps with one key prefix and one time to live.

    Attributes:
        package: The package.
        ttl: Time to live, in seconds; `math.inf` for ever.
        config: The settings of the package.
        shared_package: What the package is called in a store that other programs see.
    """

    __slots__ = ("config", "package", "shared_package", "ttl")

    def __init__(
        self, package: str, ttl: float, settings: Config, shared_package: str | None = None
    ) -> None:
        self.package: str = package
        self.ttl: float = ttl
        self.config: Config = settings
        self.shared_package: str = shared_package or packages.shared_name(package)

    @property
    def key_prefix(self) -> str:
        """The key prefix that is configured."""
        return self.config.key_prefix

    @property
    def identity(self) -> Identity:
        """What tells this region from all others of this process."""
        return self.shared_package, self.key_prefix, self.ttl

    @property
    def namespace(self) -> str:
        """What tells this region from all others in a shared store: printable, without spaces."""
        package = packages.escape(self.shared_package)
        return f"{package}:{packages.escape(self.key_prefix)}:{spell(self.ttl)}"

    def __repr__(self) -> str:
        return f"<Region {self.namespace}>"
