"""The permissions that the code needs, read from the code: every call to the API server, by verb and resource.

A path is derived from its expression, with `{}` for parts known only at run time. A path that cannot be derived is an
error, so that no call is missed.
"""

import ast
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prunella_operator.kubernetes import paths
from prunella_workflows.model.workload import _REPAIRED_KINDS

PACKAGE = Path(paths.__file__).parents[1]
ANY = "{}"
_CLIENTS = {"kube", "rest", "api"}
_READS = {"get": "", "read": "", "text": "get", "list": "list", "metadata": "list"}
_WRITES = {"create": "create", "delete": "delete"} | dict.fromkeys(
    ("json_patch", "merge_patch", "apply", "patch"), "patch"
)
_METHODS = {"GET": "", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
_ALWAYS_ALLOWED = {"authentication.k8s.io", "authorization.k8s.io"}  # self reviews, allowed to every account
_KINDS = tuple(paths._PLURALS)
Need = tuple[str, str, str]
"""Verb, group, resource."""


def needs(files: Iterable[str]) -> set[Need]:
    """The permissions needed by the code of these files and folders of the operator."""
    found = (module for name in files for module in _modules(PACKAGE / name))
    return {need for module in found for need in module.needs()}


def _modules(path: Path) -> Iterator["Module"]:
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        yield Module(file.name, ast.parse(file.read_text()))


@dataclass
class Module:
    """One source file."""

    name: str
    tree: ast.Module
    functions: dict[str, ast.AST] = field(default_factory=dict)

    def __post_init__(self):
        defined = (ast.FunctionDef, ast.AsyncFunctionDef)
        self.functions = {node.name: node for node in ast.walk(self.tree) if isinstance(node, defined)}

    def needs(self) -> Iterator[Need]:
        for scope in (*self.functions.values(), self.tree):
            for node in _own(scope):
                if isinstance(node, ast.Call):
                    yield from self._call_needs(node, scope)

    def _call_needs(self, call: ast.Call, scope: ast.AST) -> Iterator[Need]:
        if isinstance(call.func, ast.Name) and call.func.id == "Resource" and len(call.args) > 1:  # that of a watch
            for prefix in self.values(call.args[0], scope, _KINDS):
                yield from ((verb, _group(prefix), call.args[1].value) for verb in ("list", "watch"))
            return
        if isinstance(call.func, ast.Name) and call.func.id == "list_items":
            for value in self.values(call.args[1], scope, _KINDS):
                yield from _need("list", value, f"{self.name}:{call.lineno}")
            return
        if not isinstance(call.func, ast.Attribute) or _client(call.func.value) not in _CLIENTS or not call.args:
            return
        method, path = call.func.attr, call.args[0]
        verb = (_READS | _WRITES).get(method)
        if method == "call":
            verb, path = _METHODS[call.args[0].value], call.args[1]
        if verb is None:
            return
        kinds = _KINDS if method in _READS or verb == "" else tuple(sorted(_REPAIRED_KINDS))
        for value in self.values(path, scope, kinds):
            yield from _need(verb, value, f"{self.name}:{call.lineno}")

    def values(self, node: ast.AST, scope: ast.AST, kinds: tuple[str, ...]) -> set[str]:
        """The possible values of an expression."""
        found = {ANY}
        match node:
            case ast.Constant(value=str(text)):
                found = {text}
            case ast.JoinedStr(values=parts):
                found = self._join(parts, scope, kinds)
            case ast.FormattedValue(value=value):
                found = self.values(value, scope, kinds)
            case ast.BinOp(left=left, right=right):
                found = self._join([left, right], scope, kinds)
            case ast.IfExp(body=body, orelse=other):
                found = self.values(body, scope, kinds) | self.values(other, scope, kinds)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                found = {text for part in parts for text in self.values(part, scope, kinds)}
            case ast.Attribute(value=ast.Name(id="paths"), attr=name):
                found = {getattr(paths, name)}
            case ast.Call():
                found = self._returned_values(node, scope, kinds)
            case ast.Name(id=name):
                found = self._variable_values(name, scope, kinds)
        return found

    def _join(self, parts: list[ast.AST], scope: ast.AST, kinds: tuple[str, ...]) -> set[str]:
        return {"".join(texts) for texts in itertools.product(*(self.values(part, scope, kinds) for part in parts))}

    def _returned_values(self, call: ast.Call, scope: ast.AST, kinds: tuple[str, ...]) -> set[str]:
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "paths":
            return self._path_values(name, call, scope, kinds)
        if name == "map" and len(call.args) > 1:
            return self._path_values(
                getattr(call.args[0], "attr", ""), ast.Call(call.args[0], [ast.Constant(ANY)]), scope, kinds
            )
        if name not in self.functions:
            return {ANY}
        inner = self.functions[name]
        returns = (node.value for node in _own(inner) if isinstance(node, ast.Return) and node.value)
        return {text for value in returns for text in self.values(value, inner, kinds)}

    def _path_values(self, name: str, call: ast.Call, scope: ast.AST, kinds: tuple[str, ...]) -> set[str]:
        """The values of a function of `kubernetes/paths.py`."""
        if name == "workload":
            return {f"{paths.collection(kind, ANY)}/{ANY}" for kind in kinds}
        function = getattr(paths, name, None)
        if function is None:
            return {ANY}
        choices = [self.values(arg, scope, kinds) for arg in call.args]
        if name in {"collection", "history"} and choices[0] == {ANY}:
            choices[0] = set(kinds)
        return {function(*texts) for texts in itertools.product(*choices)}

    def _variable_values(self, name: str, scope: ast.AST, kinds: tuple[str, ...]) -> set[str]:
        found: set[str] = set()
        for node in (*_own(scope), *self.tree.body):
            match node:
                case ast.Assign(targets=[target], value=value) if _binds(target, name):
                    found |= self.values(value, scope, kinds)
                case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value) if _binds(
                    target, name
                ):
                    found |= self.values(value, scope, kinds)
        return found or self._parameter_values(name, scope, kinds) or {ANY}

    def _parameter_values(self, name: str, scope: ast.AST, kinds: tuple[str, ...]) -> set[str]:
        """The arguments that callers in the same module pass for a parameter."""
        arguments = [arg.arg for arg in scope.args.args if arg.arg != "self"] if hasattr(scope, "args") else []
        if name not in arguments:
            return set()
        place, found = arguments.index(name), set()
        for caller in (*self.functions.values(), self.tree):
            for call in _own(caller):
                called = isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", ""))
                if called == scope.name and len(call.args) > place and caller is not scope:
                    found |= self.values(call.args[place], caller, kinds)
        return found


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function or module, without those of functions inside."""
    todo = list(ast.iter_child_nodes(scope))
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            todo.extend(ast.iter_child_nodes(node))


def _client(node: ast.AST) -> str:
    """The last word of `self._kube` and the like."""
    return str(getattr(node, "attr", getattr(node, "id", ""))).lstrip("_")


def _binds(target: ast.AST, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(target))


def _group(prefix: str) -> str:
    return prefix.split("/")[2] if prefix.startswith("/apis/") else ""


def _need(verb: str, path: str, where: str) -> Iterator[Need]:
    """The permission for a request to a path; discovery needs none."""
    words = path.strip("/").split("/")
    head = 3 if words[0] == "apis" else 2
    if words[0] not in {"api", "apis"}:
        raise AssertionError(f"{where}: cannot derive the path from {path!r}")
    group, rest = _group(path), words[head:]
    if not rest or group in _ALWAYS_ALLOWED:
        return
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource = "/".join([rest[0], *rest[2:]])
    yield verb or ("get" if len(rest) > 1 else "list"), group, resource
