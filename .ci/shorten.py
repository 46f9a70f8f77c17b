"""Give private names and parameters short, shared names in the image: each distinct name costs heap on the board.

MicroPython keeps one entry for each distinct identifier that it loads: 7 bytes and the text, in tables that grow by
doubling, so that one name too many takes a piece of 9 KB. Names that begin with an underscore are nobody else's affair,
and in code that never passes arguments by keyword neither are parameters: they may share names across files. Those that
anybody in the image names in a call stay, and those that can be given in no other way. The source stays as it is;
public names and line numbers stay in the image too, so a trace still says file, line and public name.

    shortener = Shortener({name: text of every file of the image that is ours})
    text = shortener.shorten(name)
"""

import ast
import itertools
import string
from collections.abc import Iterator

_LETTERS = string.ascii_lowercase + string.ascii_uppercase


def _shorts(prefix: str) -> Iterator[str]:
    for length in itertools.count(1):
        for letters in itertools.product(_LETTERS, repeat=length):
            yield prefix + "".join(letters)


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


class Shortener:
    """All files of one image that are ours; `keep` are names that somebody outside of them uses."""

    def __init__(self, texts: dict[str, str], keep: frozenset[str] = frozenset()):
        self._texts = texts
        self._trees = {name: ast.parse(text) for name, text in texts.items()}
        self._taken = {each for tree in self._trees.values() for each, *_ in _names(tree)} | keep
        self._keep = keep | {each for tree in self._trees.values() for each in _imported(tree)}
        self._named = {each for tree in self._trees.values() for each in _by_name(tree)}
        self._short = self._colour()

    def _colour(self) -> dict[str, str]:
        # The same name is the same everywhere; two names that meet in a file (or in a file and that of a base class)
        # differ. Frequent names choose first.
        groups: dict[str, set[int]] = {}
        for number, tree in enumerate(self._groups()):
            for name in {each for each, *_ in _names(tree) if _private(each) and each not in self._keep}:
                groups.setdefault(name, set()).add(number)
        used: dict[str, set[int]] = {}
        short: dict[str, str] = {}
        for name in sorted(groups, key=lambda each: (-len(groups[each]), each)):
            for candidate in _shorts("_"):
                if candidate not in self._taken and not used.get(candidate, set()) & groups[name]:
                    short[name] = candidate
                    used.setdefault(candidate, set()).update(groups[name])
                    break
        return short

    def _groups(self) -> list[ast.Module]:
        # One tree a group: classes that inherit across files bring their files together, and all files that have a
        # class of the base's name are meant: `board_wires.Wires` has a child of its own name.
        home: dict[str, list[str]] = {}
        for file, tree in self._trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    home.setdefault(node.name, []).append(file)
        leader = {name: name for name in self._trees}

        def find(name: str) -> str:
            while leader[name] != name:
                name = leader[name]
            return name

        for file, tree in self._trees.items():
            for node in ast.walk(tree):
                for base in node.bases if isinstance(node, ast.ClassDef) else []:
                    word = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
                    for other in home.get(word, []):
                        leader[find(file)] = find(other)
        joined: dict[str, list[ast.stmt]] = {}
        for file, tree in self._trees.items():
            joined.setdefault(find(file), []).extend(tree.body)
        return [ast.Module(body, []) for body in joined.values()]

    def shorten(self, name: str) -> str:
        """The text of a file with its private names and its parameters shortened."""
        lines = [line.encode() for line in self._texts[name].split("\n")]
        edits = {}
        for each, line, column in _names(self._trees[name]):
            if each in self._short:
                edits[line, column] = (len(each.encode()), self._short[each])
        for each, line, column, new in self._parameters(self._trees[name]):
            edits[line, column] = (len(each.encode()), new)
        for (line, column), (length, new) in sorted(edits.items(), reverse=True):
            old = lines[line - 1]
            lines[line - 1] = old[:column] + new.encode() + old[column + length :]
        return b"\n".join(lines).decode()

    def _parameters(self, tree: ast.Module) -> Iterator[tuple[str, int, int, str]]:
        if any(isinstance(node, ast.keyword) and node.arg for node in ast.walk(tree)):
            return  # keyword arguments: leave this file's parameters alone
        for node in _outermost(tree):
            free = (each for each in _shorts("") if each not in self._taken and len(each) <= 2)
            new = {}
            for inner in ast.walk(node):
                if isinstance(inner, ast.arg) and self._shortens(inner.arg) and inner.arg not in new:
                    new[inner.arg] = next(free)
            for inner in ast.walk(node):
                if isinstance(inner, ast.arg) and inner.arg in new:
                    yield inner.arg, inner.lineno, inner.col_offset, new[inner.arg]
                elif isinstance(inner, ast.Name) and inner.id in new:
                    yield inner.id, inner.lineno, inner.col_offset, new[inner.id]

    def _shortens(self, parameter: str) -> bool:
        return parameter != "self" and len(parameter) > 1 and parameter not in self._named


def _by_name(tree: ast.Module) -> Iterator[str]:
    """Parameters that a call names, and those behind a star, which it must."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, ast.arguments):
            yield from (each.arg for each in node.kwonlyargs)


def _outermost(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.Lambda]:
    waiting: list[ast.AST] = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.FunctionDef | ast.Lambda):
                yield node
            else:
                waiting.append(node)


def _names(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    """Each identifier with the line and the byte column where it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno, node.col_offset
        elif isinstance(node, ast.Attribute):
            assert node.end_lineno is not None and node.end_col_offset is not None
            yield node.attr, node.end_lineno, node.end_col_offset - len(node.attr.encode())
        elif isinstance(node, ast.FunctionDef):
            yield node.name, node.lineno, node.col_offset + len("def ")
        elif isinstance(node, ast.ClassDef):
            yield node.name, node.lineno, node.col_offset + len("class ")
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno, node.col_offset
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.name, alias.lineno, alias.col_offset


def _imported(tree: ast.Module) -> Iterator[str]:
    """Names that are not ours to change: modules, and names bound in a way that _names() does not see."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                if isinstance(node, ast.Import) or alias.asname:
                    yield from alias.name.split(".")
                    yield alias.asname or alias.name
            if isinstance(node, ast.ImportFrom) and node.module:
                yield from node.module.split(".")
        elif isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # getattr() and its like
