#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Writes the tables of docs/drop-reasons.md from bpf/abi/reasons.h.

drop_reasons.py           writes the tables between the markers of the document
drop_reasons.py --check   fails when the document is not current, and writes nothing
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = ROOT / "bpf/abi/reasons.h"
DOCUMENT = ROOT / "docs/drop-reasons.md"

STRING = r'"(?:[^"\\]|\\.)*"'
REASON = re.compile(rf"X\(\s*(\w+),\s*({STRING}),\s*((?:{STRING}\s*)+)\)")
KERNEL = re.compile(r"X\(\s*(\w+),\s*(\w+)\s*\)")


def fail(why):
    sys.exit(f"drop_reasons.py: {why}")


def macro(text, name):
    """The body of the macro that is defined as NAME(X), its lines joined."""
    found = re.search(rf"^#define {name}\(X\)((?:.*\\\n)*.*)", text, re.MULTILINE)
    if not found:
        fail(f"{HEADER} defines no {name}(X)")
    return found[1].replace("\\\n", "\n")


def reasons(text, name):
    """(identifier, name in `xvtep stats`, meaning) of each reason, in the header's order."""
    return [
        (identifier, counter[1:-1], "".join(s[1:-1] for s in re.findall(STRING, meaning)))
        for identifier, counter, meaning in REASON.findall(macro(text, name))
    ]


def table(rows, kernel):
    lines = ["| name | meaning | kernel's drop reason |", "|---|---|---|"]
    for identifier, counter, meaning in rows:
        theirs = f"`{kernel[identifier]}`" if identifier in kernel else ""
        meaning = meaning.replace("|", "\\|")
        lines.append(f"| `{counter}` | {meaning} | {theirs} |")
    return "\n".join(lines)


def document():
    text = HEADER.read_text()
    kernel = dict(KERNEL.findall(macro(text, "XV_KERNEL_REASONS")))
    known = set()
    result = DOCUMENT.read_text()
    for marker, name in [("dropped", "XV_DROPPED_REASONS"), ("passed", "XV_PASSED_REASONS")]:
        rows = reasons(text, name)
        if not rows:
            fail(f"{name} has no reason")
        known |= {row[0] for row in rows}
        begin, end = f"<!-- begin {marker} -->", f"<!-- end {marker} -->"
        if result.count(begin) != 1 or result.count(end) != 1:
            fail(f"{DOCUMENT} lacks the markers of {marker}")
        head, rest = result.split(begin)
        tail = rest.split(end)[1]
        result = f"{head}{begin}\n{table(rows, kernel)}\n{end}{tail}"
    if unknown := set(kernel) - known:
        fail(f"XV_KERNEL_REASONS names what is no reason: {', '.join(sorted(unknown))}")
    return result


def main():
    wanted = document()
    if sys.argv[1:] == ["--check"]:
        if DOCUMENT.read_text() != wanted:
            fail(f"{DOCUMENT} is not current; write it with tests/docs/drop_reasons.py")
    elif not sys.argv[1:]:
        DOCUMENT.write_text(wanted)
    else:
        fail("the only option is --check")


main()
