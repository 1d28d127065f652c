"""A secret that stood in the environment when the process started."""

from __future__ import annotations

from ...ports import Secret


class FixedSecret(Secret):
    """One value for as long as the process runs."""

    def __init__(self, value: str) -> None:
        self._value = value

    async def read(self) -> str:
        return self._value

    def distrust(self) -> None:
        """There is no other value to be had."""
