"""One setting chooses an adapter and tells it all it needs: gs://bucket/prefix?timeout=5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import ConfigurationError


class Options(BaseModel):
    """The part of an adapter's URL behind the question mark. A misspelt one is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True, slots=True)
class AdapterUrl:
    """A parsed adapter URL; `path` is unquoted and begins with a slash, or is empty."""

    text: str
    scheme: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ConfigurationError for anything but scheme://…, and for a secret in the URL."""
        try:
            parts = urlsplit(text)
        except ValueError:
            raise ConfigurationError(f"{text!r} is not of the form scheme://…") from None
        if not parts.scheme or "://" not in text:
            raise ConfigurationError(f"{text!r} is not of the form scheme://…")
        if "@" in parts.netloc:
            raise ConfigurationError(
                f"the {parts.scheme}:// URL holds credentials; secrets do not belong in URLs"
            )
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        return cls(text, parts.scheme, parts.netloc, unquote(parts.path), query)

    def options(self, kind: type[OptionsT]) -> OptionsT:
        """Read the query as *kind*. Raises ConfigurationError that lists the known options."""
        names = [name for name, _ in self.query]
        known = ", ".join(kind.model_fields) or "none"
        if len(names) != len(set(names)):
            raise ConfigurationError(f"{self.text}: an option is given twice (known options: {known})")
        try:
            return kind.model_validate(dict(self.query))
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ConfigurationError(
                f"{self.text}: {where}: {first['msg']} (known options: {known})"
            ) from exc

    def bare(self) -> None:
        """Raises ConfigurationError if there is anything behind the scheme."""
        if self.host or self.path or self.query:
            raise ConfigurationError(f"{self.text}: write {self.scheme}://, nothing more")
