#!/usr/bin/env python3
"""Fails if the source files of a crate import each other in a circle, and prints each circle.

An edge goes from a file to the file that defines what it names: in a `use`, or in a path such as `crate::http::app::App`.
Test code does not count, nor do `mod x;` and the re-exports of a module (`pub use child::Item;`): a name that a module
re-exports is looked up where it is defined. Items that a macro makes are not seen.
"""

import re
import sys
from pathlib import Path

COMMENT_OR_LITERAL = re.compile(
    r'''//[^\n]*|/\*.*?\*/|\bb?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^']+|[^'\\])\'''', re.DOTALL
)
TEST_ATTRIBUTE = re.compile(r"#\[cfg\((?:all\()?test\b[^\]]*\)\]\s*")
USE = re.compile(r"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);")
CHILD = re.compile(r"\bmod\s+(\w+)\s*;")
PATH = re.compile(r"(?<![\w:$])\w+(?:::\w+)+")


def item_end(text, start):
    """The position after the item that starts here: after its `;`, or after its block."""
    depth = 0
    is_use = re.match(r"(?:pub(?:\([^)]*\))?\s+)?use\b", text[start:])
    for at in range(start, len(text)):
        if text[at] in "{[(":
            depth += 1
        elif text[at] in "}])":
            depth -= 1
            if depth == 0 and text[at] == "}" and not is_use:
                return at + 1
        elif text[at] == ";" and depth == 0:
            return at + 1
    return len(text)


def without_tests(text):
    """The code without comments, literals and test items; a test module in a file of its own is not found any more."""
    text = COMMENT_OR_LITERAL.sub('""', text)
    while attribute := TEST_ATTRIBUTE.search(text):
        text = text[: attribute.start()] + text[item_end(text, attribute.end()) :]
    return text


def split_tree(text):
    """The branches of a use tree, which commas separate outside of braces."""
    depth, branch = 0, ""
    for char in text:
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            yield branch
            branch = ""
        else:
            branch += char
    yield branch


def expand(tree, prefix=()):
    """Each path of a use tree, with the name that it binds: `a::{self, b as c}` is (a), a and (a, b), c."""
    for branch in filter(None, map(str.strip, split_tree(tree))):
        head, brace, rest = branch.partition("{")
        names = tuple(name.strip() for name in head.split("::") if name.strip())
        if brace:
            yield from expand(rest.rstrip().removesuffix("}"), prefix + names)
            continue
        last, _, alias = names[-1].partition(" as ")
        path = prefix + names[:-1] + ((last.strip(),) if last.strip() != "self" or not prefix + names[:-1] else ())
        yield path, alias.strip() or path[-1]


class Module:
    def __init__(self, path, file):
        self.path, self.file = path, file
        text = without_tests(file.read_text())
        uses = [(bool(use[1]), path, name) for use in USE.finditer(text) for path, name in expand(use[2])]
        self.code = USE.sub("", text)
        self.children = set(CHILD.findall(self.code))
        self.bound = {name: path for _, path, name in uses if name != "*"}
        self.globs = [path[:-1] for is_public, path, name in uses if name == "*" and is_public]
        # A re-export of a child's item is no import.
        self.imports = [path for is_public, path, _ in uses if not (is_public and self.is_own(path))]
        self.items = set(re.findall(r"\b(?:struct|enum|union|trait|type|fn|const|static|mod)\s+(\w+)", self.code))

    def is_own(self, path):
        return path[0] in self.children or (path[0] == "self" and len(path) > 1 and path[1] in self.children)


class Crate:
    def __init__(self, source):
        self.modules = {}
        for root in (source / "lib.rs", source / "main.rs"):
            if root.exists():
                self.add((), root)

    def add(self, path, file):
        module = self.modules[path] = Module(path, file)
        folder = file.parent if file.name in ("lib.rs", "main.rs", "mod.rs") else file.with_suffix("")
        for child in module.children:
            for child_file in (folder / f"{child}.rs", folder / child / "mod.rs"):
                if child_file.exists():
                    self.add((*path, child), child_file)

    def resolve(self, module, path, seen=()):
        """The module that defines what `path` names in `module`; none if another crate does."""
        first, rest = path[0], path[1:]
        if first == "crate":
            return self.descend((), rest, seen)
        if first == "self":
            return self.descend(module.path, rest, seen)
        if first == "super":
            at = module.path[:-1]
            while rest and rest[0] == "super":
                at, rest = at[:-1], rest[1:]
            return self.descend(at, rest, seen)
        if first in module.children:
            return self.descend(module.path, path, seen)
        if first in module.bound and (module.path, first) not in seen:
            bound = module.bound[first]
            return self.resolve(module, bound + rest, (*seen, (module.path, first))) if bound[0] != first else None
        return None

    def descend(self, at, names, seen):
        while names and (*at, names[0]) in self.modules:
            at, names = (*at, names[0]), names[1:]
        module = self.modules.get(at)
        if module is None or not names:
            return module
        if names[0] in module.bound and (at, names[0]) not in seen:
            return self.resolve(module, names, seen) or module
        for glob in module.globs if names[0] not in module.items else ():
            target = self.resolve(module, glob, (*seen, (at, "*"))) if (at, "*") not in seen else None
            if target and names[0] in target.items:
                return target
        return module

    def edges(self):
        """The files that each file imports from."""
        edges = {}
        for module in self.modules.values():
            paths = module.imports + [tuple(path.split("::")) for path in PATH.findall(module.code)]
            targets = (self.resolve(module, path) for path in paths)
            edges[module.file] = {target.file for target in targets if target and target is not module}
        return edges


def shortest_circle(edges, start):
    """The shortest way from a file back to itself."""
    ways = [[start]]
    seen = set()
    for way in ways:
        for file in sorted(edges[way[-1]]):
            if file == start:
                return way
            if file not in seen:
                seen.add(file)
                ways.append([*way, file])
    return None


def circles(edges):
    """The shortest circles that share no file: one import can close many, and they go with it."""
    found, listed = [], set()
    for circle in sorted(filter(None, (shortest_circle(edges, file) for file in sorted(edges))), key=len):
        if listed.isdisjoint(circle):
            found.append(circle)
            listed.update(circle)
    return found


def main():
    root = Path(__file__).resolve().parent.parent
    sources = [root / "src", *sorted(root.glob("crates/*/src"))]
    found = [circle for source in sources for circle in circles(Crate(source).edges())]
    for circle in found:
        print("imports in a circle:", " -> ".join(str(file.relative_to(root)) for file in [*circle, circle[0]]))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
