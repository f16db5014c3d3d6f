"""What import-linter cannot see: pure floors, small modules, nothing swallowed, a face that tells the truth, mirrored tests."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

import asynchttp

PACKAGE = Path(asynchttp.__file__).parent
TESTS = Path(__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
LARGEST = 400  # lines; the admired libraries stay below 650 and their median below 250

each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _public(path: Path) -> bool:
    return not any(part.startswith("_") for part in path.relative_to(PACKAGE).with_suffix("").parts)


def _awaiting(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            yield node.lineno
        elif isinstance(node, ast.comprehension) and node.is_async:
            yield node.target.lineno


def _swallowed(tree: ast.AST) -> Iterator[int]:
    """Lines of `except Exception: pass` in all its spellings, `suppress(Exception)` among them."""

    def broad(expression: ast.expr | None) -> bool:
        if isinstance(expression, ast.Tuple):
            return any(broad(element) for element in expression.elts)
        name = expression.attr if isinstance(expression, ast.Attribute) else getattr(expression, "id", None)
        return expression is None or name in {"Exception", "BaseException"}

    def nothing(statement: ast.stmt) -> bool:
        empty = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        return empty or isinstance(statement, ast.Pass | ast.Continue)

    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and broad(node.type) and all(map(nothing, node.body)):
            yield node.lineno
        elif isinstance(node, ast.Call) and any(map(broad, node.args)):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            if called == "suppress":
                yield node.lineno


def test_the_package_has_modules_on_every_floor():
    """The checks below hold for something: an empty or moved package fails here instead of passing there."""
    floors = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES if _public(path)}
    assert floors >= {"values", "policy", "runtime", "transports", "middleware", "engine", "batch", "faces", "testing"}


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("try: f()\nexcept Exception: pass", [2]),
        ("try: f()\nexcept (ValueError, BaseException):\n    '''why'''\n    pass", [2]),
        ("try: f()\nexcept: pass", [2]),
        ("with contextlib.suppress(Exception): f()", [1]),
        ("try: f()\nexcept ValueError: pass", []),
        ("try: f()\nexcept Exception: g()", []),
        ("with suppress(OSError): f()", []),
    ],
)
def test_the_swallow_detector_sees_every_spelling(code, lines):
    """A detector that finds nothing would pass every module."""
    assert list(_swallowed(ast.parse(code))) == lines


def test_the_await_detector_sees_every_spelling():
    """The same for the detector of coroutines."""
    code = "async def f():\n await g()\n async with h: pass\n async for i in j: pass\n [k async for k in m]"
    assert set(_awaiting(ast.parse(code))) == {1, 2, 3, 4, 5}


@each_module
def test_values_and_policies_never_await(path):
    """Law 2: decide below, act above."""
    if path.relative_to(PACKAGE).parts[0] in {"values", "policy"}:
        assert list(_awaiting(_tree(path))) == []


@each_module
def test_a_module_fits_in_a_head(path):
    """No module has more than 400 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LARGEST


@each_module
def test_no_failure_is_swallowed(path):
    """No `except Exception: pass`: an `except` names what it expects, or does something about it."""
    assert list(_swallowed(_tree(path))) == []


@pytest.mark.parametrize(
    "path", [path for path in MODULES if _public(path)], ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_a_module_has_its_own_test_file(path):
    """Law 4: policy/retry.py is tested by tests/policy/test_retry.py."""
    relative = path.relative_to(PACKAGE)
    mirror = TESTS / relative.with_name(f"test_{relative.name}")
    assert mirror.is_file(), f"write {mirror.relative_to(TESTS.parent)}"
    assert any(
        node.name.startswith(("test_", "Test"))
        for node in ast.walk(_tree(mirror))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ), f"{mirror.relative_to(TESTS.parent)} tests nothing"


def test_the_face_is_sorted_and_without_repeats():
    """`asynchttp.__all__` can be read, and merged, without thought."""
    assert list(asynchttp.__all__) == sorted(set(asynchttp.__all__))


@pytest.mark.parametrize("name", asynchttp.__all__)
def test_each_name_of_the_face_is_importable(name):
    """What `__all__` promises is there."""
    assert hasattr(asynchttp, name)


def test_the_face_shows_all_that_it_imports():
    """A public name that `asynchttp` has and `__all__` has not would be an accident."""
    tree = _tree(PACKAGE / "__init__.py")
    imported = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert {name for name in imported if not name.startswith("_")} <= set(asynchttp.__all__)


def test_tracebacks_show_the_public_module():
    """`asynchttp.TotalTimeout` is what a traceback shows and a user can import, not the floor that it lives on."""
    public = [getattr(asynchttp, name) for name in asynchttp.__all__]
    errors = [thing for thing in public if isinstance(thing, type) and issubclass(thing, BaseException)]
    assert {error.__module__ for error in errors} == {"asynchttp"}


@each_module
def test_a_module_says_what_it_is(path):
    """Each module that holds code opens with a docstring."""
    tree = _tree(path)
    assert ast.get_docstring(tree) or not tree.body


def test_no_module_imports_itself_in_a_circle():
    """The floors are a contract of import-linter; within a floor there is no cycle either (imports for types only aside)."""
    graph = grimp.build_graph("asynchttp", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()
