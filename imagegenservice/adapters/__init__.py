"""The outside world. Only app.py reaches in here, and only through the tables."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Generic, TypeVar, cast

from ..errors import ConfigurationError
from ..ports import Adapter, Surroundings
from ..urls import AdapterUrl

A = TypeVar("A", bound=Adapter)


class Table(Generic[A]):
    """Scheme -> "module:Class". The module is imported only if it is chosen."""

    def __init__(self, what: str, rows: dict[str, str]) -> None:
        self.what = what
        self.rows = rows

    def load(self, scheme: str) -> type[A]:
        """Raises ConfigurationError that lists the known schemes."""
        if scheme not in self.rows:
            raise ConfigurationError(
                f"no {self.what} for {scheme}://; there are: {', '.join(sorted(self.rows))}"
            )
        module, name = self.rows[scheme].split(":")
        return cast("type[A]", getattr(import_module(f"{__name__}.{module}"), name))

    def open(self, url: AdapterUrl, surroundings: Surroundings) -> AbstractAsyncContextManager[A]:
        """Open the adapter that the URL's scheme names."""
        return self.load(url.scheme).open(url, surroundings)
