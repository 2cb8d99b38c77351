"""What every backend over one account has."""

from __future__ import annotations

from .account import HostedAccount

__all__ = ["HostedBackend"]


class HostedBackend:
    """A backend over one account at a vendor; the abilities are its own.

    Attributes:
        account: The account; a backend declares the class of its own.
    """

    account: HostedAccount

    def __repr__(self) -> str:
        """Show name and origin."""
        return f"{type(self).__name__}({self.name!r}, {self.account.base_url!r})"

    @property
    def name(self) -> str:
        """Provider name, as in ``"name:model"``."""
        return self.account.name

    def identity(self, model: str) -> str | None:
        """Which account it is, without its key; for caches."""
        return self.account.identity()

    async def aclose(self) -> None:
        """Close what the backend opened itself. May be called twice."""
        await self.account.aclose()
