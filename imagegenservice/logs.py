"""Logs: one line of JSON an event, as Cloud Logging reads it."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

MAX_VALUE: Final = 256
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """severity, RFC 3339 time, message, and what the event brought along."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; values are cut, and control characters are escaped by JSON itself."""
        moment = datetime.fromtimestamp(record.created, UTC)
        entry: dict[str, Any] = {
            "severity": record.levelname,
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "logger": record.name,
            "message": _cut(record.getMessage()),
        }
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        entry |= {name: _cut(value) for name, value in extra.items()}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def _cut(value: object) -> object:
    if isinstance(value, (int, float, bool, list)) or value is None:
        return value
    text = str(value)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"


def configure_logging(level: str) -> None:
    """Log JSON to standard output, for the whole process."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx2", "httpcore2", "uvicorn", "google", "urllib3", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))
