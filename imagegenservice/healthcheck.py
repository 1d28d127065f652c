"""python -m imagegenservice.healthcheck: is the service in this container ready? For HEALTHCHECK."""

# Only the standard library: it runs every few seconds beside the service, within the same memory.

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping

_TIMEOUT = 3.0
"""Seconds. The image gives the whole command five."""


def address(environment: Mapping[str, str]) -> tuple[str, int]:
    """Where the HTTP port of the service with this environment is reached from beside it."""
    host = environment.get("HOST") or "0.0.0.0"  # noqa: S104 - the setting's default
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return near, int(environment.get("HTTP_PORT") or 8081)


def fault(host: str, port: int) -> str:
    """What is wrong with the service there, or "" when it is ready for calls."""
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as exc:
        return f"no answer from {host}:{port}: {exc!r}"
    finally:
        connection.close()
    return "" if status == http.client.OK else f"{host}:{port}/readyz answered {status}"


if __name__ == "__main__":
    sys.exit(fault(*address(os.environ)) or 0)
