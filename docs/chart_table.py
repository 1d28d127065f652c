"""Write helm-chart/README.md's tables of values from values.yaml's comments, or with --check compare them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

CHART = Path(__file__).parent.parent / "helm-chart"
README = CHART / "README.md"
OPEN = "imageGenerationService.settings"
"""Not all that may stand below it stands below it."""
SHOP = "# --- The shop's keys"


def tables(text: str) -> dict[str, str]:
    """
    The tables of our keys and of the shop's, by their names: one row a key.

    The shop's are commented out in *text*, below the line that begins with `SHOP`. Raises ValueError for a
    key without a comment.
    """
    own, _, rest = text.partition(SHOP)
    shop = "\n".join(
        line.removeprefix("#").removeprefix(" ") for line in rest.split("#\n", 1)[1].splitlines()
    )
    return {"own": _table(own, "imageGenerationService."), "shop": _table(shop, "")}


def _table(text: str, prefix: str) -> str:
    lines = text.splitlines()
    rows = [
        f"| `{path.removeprefix(prefix)}` | {_shown(text, value)} | {_comment(lines, line, path)} |"
        for path, value, line in _leaves(yaml.compose(text), "")
    ]
    return "\n".join(("| key | default | meaning |", "|---|---|---|", *rows))


def _leaves(node: yaml.MappingNode, path: str) -> Iterator[tuple[str, yaml.Node, int]]:
    for key, value in node.value:
        name = f"{path}{key.value}"
        if isinstance(value, yaml.MappingNode) and value.value:
            if name == OPEN:
                yield name, yaml.MappingNode("", [], value.start_mark, value.start_mark), key.start_mark.line
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value, key.start_mark.line


def _shown(text: str, value: yaml.Node) -> str:
    default = text[value.start_mark.index : value.end_mark.index].strip('"')
    return "" if default in {"", "[]", "{}"} else f"`{default}`"


def _comment(lines: list[str], line: int, path: str) -> str:
    """What stands right above *line*."""
    found: list[str] = []
    while line and (match := re.fullmatch(r"\s*# (.*)", lines[line - 1])):
        found.insert(0, match[1])
        line -= 1
    if not found:
        raise ValueError(f"values.yaml: {path} has no comment")
    return " ".join(found).replace("|", "\\|")


def renewed(text: str, values: str) -> str:
    """*text* with the tables in their places."""
    for name, table in tables(values).items():
        begin, end = f"<!-- {name} values: begin -->", f"<!-- {name} values: end -->"
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = f"{head}{begin}\n{table}\n{end}{tail}"
    return text


if __name__ == "__main__":
    now = README.read_text(encoding="utf-8")
    wanted = renewed(now, (CHART / "values.yaml").read_text(encoding="utf-8"))
    if "--check" not in sys.argv:
        README.write_text(wanted, encoding="utf-8")
    elif wanted != now:
        sys.exit("helm-chart/README.md's tables are out of date: run `make docs`")
