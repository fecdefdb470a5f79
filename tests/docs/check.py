#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Checks documents: check.py [DOCUMENT...], all of the repository's by default.

A relative link leads to a file that exists, and to a heading that exists in it. What is written as
a path of the repository (`bpf/fdb.h`, `user/cli/`, `tests/netns/*_test.cc`) exists. In a table
whose first column is `file`, so does each name of that column; the heading above the table names the
directory that the names are in, as in "## Packets (`bpf/`)".
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP = ("bench", "bpf", "docs", "findings", "include", "tests", "user", ".ci")
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`]+)`")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def documents():
    found = list(ROOT.glob("*.md"))
    for top in TOP:
        found += (ROOT / top).rglob("*.md")
    return sorted(found)


def slug(heading):
    """The anchor that GitHub makes of a heading."""
    text = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return text.replace(" ", "-")


def anchors(path):
    text = FENCE.sub("", path.read_text())
    return {slug(h) for h in re.findall(r"^#+ +(.*)$", text, re.MULTILINE)}


def braces(pattern):
    """x.{h,cc} as x.h and x.cc"""
    found = re.search(r"\{([^{}]*)\}", pattern)
    if not found:
        return [pattern]
    return [
        one
        for word in found[1].split(",")
        for one in braces(pattern[: found.start()] + word + pattern[found.end() :])
    ]


def exists(pattern):
    return all(any(ROOT.glob(one.rstrip("/"))) for one in braces(pattern))


def broken_links(document, text):
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists():
            yield f"no file {target}"
        elif anchor and anchor not in anchors(path):
            yield f"no heading {target}"


def missing_paths(text):
    for code in CODE.findall(text):
        if re.fullmatch(rf"(?:{'|'.join(map(re.escape, TOP))})/[\w./*{{}},-]*", code):
            if not exists(code):
                yield f"no file {code}"


def missing_rows(text):
    directory, in_table = "", False
    for line in text.splitlines():
        if line.startswith("#"):
            named = CODE.findall(line)
            directory = named[0] if named and named[0].endswith("/") else ""
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 3:
            in_table = False
        elif cells[1] == "file":
            in_table = True
        elif in_table:
            for name in CODE.findall(cells[1]):
                path = name if name.startswith(tuple(f"{top}/" for top in TOP)) else directory + name
                if not exists(path):
                    yield f"no file {path}"


def main():
    wrong = []
    chosen = [pathlib.Path(name).resolve() for name in sys.argv[1:]] or documents()
    for document in chosen:
        text = FENCE.sub("", document.read_text())
        found = [*broken_links(document, text), *missing_paths(text), *missing_rows(text)]
        wrong += [f"{document.relative_to(ROOT)}: {what}" for what in dict.fromkeys(found)]
    sys.exit("\n".join(wrong) if wrong else 0)


main()
