"""Write README's table of settings from settings.py, or with --check say whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from imagegenservice.settings import Settings

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"


def table() -> str:
    """The table: one row a variable."""
    rows = [
        f"| `{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(("| variable | default | meaning |", "|---|---|---|", *rows))


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr) or value in {"", ()}:
        return ""
    if isinstance(value, bool):
        return "`1`" if value else "`0`"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{value}`" if not get_args(value) else ""


def renewed(text: str) -> str:
    """*text* with the table in its place."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    now = README.read_text(encoding="utf-8")
    if "--check" not in sys.argv:
        README.write_text(renewed(now), encoding="utf-8")
    elif renewed(now) != now:
        sys.exit("README.md's table of settings is out of date: run `make docs`")
