"""The layout of the house, read from its own source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median, quantiles

import pytest

PACKAGE = Path(__file__).parents[2] / "imagegenservice"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "pb" not in path.relative_to(PACKAGE).parts)
COMPOSITION = {"app", "__main__"}
OUTER = {"adapters", "servers"}


def module(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in FILES}


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules of the package that this one imports, outside of TYPE_CHECKING."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for node in _nodes_at_run_time(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            found |= _targets(path, node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            assert not any(name.startswith("imagegenservice") for name in names), f"{path}: not relative"
    return frozenset(found)


def _nodes_at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _nodes_at_run_time(node)


def _targets(path: Path, node: ast.ImportFrom) -> set[str]:
    here = path.relative_to(PACKAGE).parts[:-1]
    base = list(here[: len(here) - (node.level - 1)]) + (node.module.split(".") if node.module else [])
    whole = [".".join([*base, alias.name]) for alias in node.names]
    return {name if name in MODULES else ".".join(base) for name in whole}


def _part(name: str) -> str:
    return name.partition(".")[0]


def test_only_the_composition_root_sees_adapters() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, path in MODULES.items()
        for target in imports(path)
        if _part(target) == "adapters" and _part(name) not in {"adapters", *COMPOSITION}
    ]
    assert wrong == []


def test_only_the_composition_root_sees_servers() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, path in MODULES.items()
        for target in imports(path)
        if _part(target) == "servers" and _part(name) not in {"servers", *COMPOSITION}
    ]
    assert wrong == []


def test_adapters_know_the_ports_and_not_the_core() -> None:
    core = {
        *("generation", "drawing", "studio", "records", "holder", "sweep", "bulletin", "fingerprints"),
        *("idempotency", "gallery", "backgrounds", "gather", "chain", "ledger", "settings", "turns"),
    }
    wrong = [
        f"{name} imports {target}"
        for name, path in MODULES.items()
        for target in imports(path)
        if _part(name) == "adapters" and _part(target) in core
    ]
    assert wrong == []


def test_nobody_imports_the_composition_root() -> None:
    allowed = {("__main__", "app"), ("demo.__main__", "__main__")}
    wrong = [
        f"{name} imports {target}"
        for name, path in MODULES.items()
        for target in imports(path)
        if target in COMPOSITION and (name, target) not in allowed and _part(name) != "demo"
    ]
    assert wrong == []


def test_no_two_modules_need_each_other() -> None:
    graph = {name: {t for t in imports(path) if t in MODULES and t != name} for name, path in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above[above.index(name) :], name])
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_imports_stand_at_the_top() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in FILES
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_says_why_it_exists_and_fits_onto_a_few_pages(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= 350


def _lengths() -> dict[str, int]:
    lengths = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lengths[f"{path.relative_to(PACKAGE)}:{node.name}"] = node.end_lineno - node.lineno + 1
    return lengths


def test_no_function_is_longer_than_a_screen_and_most_are_short() -> None:
    lengths = _lengths()
    assert {name: length for name, length in lengths.items() if length > 50} == {}
    assert median(lengths.values()) <= 9
    assert quantiles(lengths.values(), n=10)[-1] <= 30
