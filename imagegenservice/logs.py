"""Logs: one line of JSON an event, as Cloud Logging reads it."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, TypeAlias

from . import spans

MAX_VALUE: Final = 256
"""Characters of one value."""
_MAX_NUMBER: Final = 2**63
_MAX_LIST: Final = 32
_MAX_DEPTH: Final = 3
_MAX_FRAMES: Final = 16
_MAX_CAUSES: Final = 4
_MAX_EXCEPTION: Final = 8192
_SHORTEST_SECRET: Final = 6
"""What is shorter would be found in innocent words as well."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SEVERITIES: Final = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
_HIDDEN: Final = "[hidden]"
# What looks like a secret without being configured as one: Google's API keys and access tokens, JSON Web
# Tokens, private keys, and the credentials in URLs.
_SECRET: Final = re.compile(
    r"AIza[\w-]{20,}|ya29\.[\w.-]+|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----.*"
    r"|(?<=://)[^\s/@]*:[^\s/@]*(?=@)"
    r"|(?i:(?<=bearer )[\w.~+/=-]+|(?<=[?&])[\w-]*(?:signature|token|key|password|secret)=[^&\s\"']+)",
    re.DOTALL,
)

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""Of the call that is being answered, and of what was ordered by it."""
owner: Final[ContextVar[str]] = ContextVar("owner", default="")
"""For whom we are working, as a keyed hash."""


def short(generation_id: str) -> str:
    """Enough of an id to tell it from others. All of it would let a reader of logs see the picture."""
    return generation_id[:8]


class JsonFormatter(logging.Formatter):
    """
    severity, RFC 3339 time, message, trace, request and owner, and what the event brought along.

    Always one line: JSON escapes control characters, and all that is not ASCII. *secrets* never come out.
    """

    def __init__(self, project_id: str = "", secrets: Collection[str] = ()) -> None:
        super().__init__()
        self._project_id = project_id
        known = sorted((text for text in secrets if len(text) >= _SHORTEST_SECRET), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, known))) if known else None

    def format(self, record: logging.LogRecord) -> str:
        """One line; values are cut."""
        moment = datetime.fromtimestamp(record.created, UTC)
        entry: dict[str, Value] = {
            "severity": record.levelname if record.levelname in _SEVERITIES else "DEFAULT",
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "logger": record.name,
            "message": self._text(_message(record)),
            **self._surroundings(),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in entry:
                entry[name] = self._value(value)
        if record.exc_info and record.exc_info[1] is not None:
            entry["exception"] = self._exception(record.exc_info[1])
        return json.dumps(entry)

    def _surroundings(self) -> dict[str, Value]:
        around: dict[str, Value] = {}
        here = spans.place()
        if here is not None and self._project_id:
            # https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields
            around["logging.googleapis.com/trace"] = f"projects/{self._project_id}/traces/{here.trace_id}"
            around["logging.googleapis.com/spanId"] = here.span_id
            around["logging.googleapis.com/trace_sampled"] = here.sampled
        elif here is not None:
            around |= {"trace_id": here.trace_id, "span_id": here.span_id, "trace_sampled": here.sampled}
        around |= {"request_id": request_id.get(), "owner": owner.get()}
        return {name: value for name, value in around.items() if value != ""}

    def _value(self, value: object, depth: int = 0) -> Value:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)) and -_MAX_NUMBER < value < _MAX_NUMBER:
            return value
        if depth < _MAX_DEPTH and isinstance(value, Mapping):
            some = list(value.items())[:_MAX_LIST]
            return {self._text(key): self._value(inner, depth + 1) for key, inner in some}
        if depth < _MAX_DEPTH and isinstance(value, (list, tuple, set, frozenset)):
            return [self._value(inner, depth + 1) for inner in list(value)[:_MAX_LIST]]
        return self._text(value)

    def _text(self, value: object, limit: int = MAX_VALUE) -> str:
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"{len(value)} bytes"
        try:
            text = str(value)
        except Exception:  # noqa: BLE001 - somebody else's __str__ must not cost us the line
            text = f"a {type(value).__name__}"
        text = text[: 4 * limit]  # hidden before it is cut for good: half a secret is one too
        if self._secrets is not None:
            text = self._secrets.sub(_HIDDEN, text)
        text = _SECRET.sub(_HIDDEN, text)
        return text if len(text) <= limit else f"{text[:limit]}…"

    def _exception(self, exc: BaseException) -> str:
        """Python's own words, the causes first, bounded in every direction."""
        parts: list[str] = []
        cause: BaseException | None = exc
        while cause is not None and len(parts) < _MAX_CAUSES:
            frames = "".join(traceback.format_tb(cause.__traceback__, -_MAX_FRAMES))
            said = f"{type(cause).__module__}.{type(cause).__qualname__}: {self._text(cause)}"
            parts.append(f"Traceback (most recent call last):\n{frames}{said}\n")
            cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        return self._text("\n".join(reversed(parts)), _MAX_EXCEPTION)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a wrong format string is still worth its line
        return str(record.msg)


def configure_logging(level: str, *, project_id: str = "", secrets: Collection[str] = ()) -> None:
    """Log JSON to standard output, for the whole process. *secrets* are kept out of every line."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(project_id, secrets))
    # What libraries say below a warning may quote requests and answers.
    logging.basicConfig(
        level="ERROR" if level.upper() == "ERROR" else "WARNING", handlers=[handler], force=True
    )
    for own in ("imagegenservice", "__main__"):
        logging.getLogger(own).setLevel(level.upper())
    # With the collector away each batch is one error; the attempts before it need not be said as well.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
