#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Writes the tables of docs/underlays.md from what tests/kernel/run has printed: table.py OUTPUT..."""
import collections
import pathlib
import re
import sys

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/underlays.md"
BEGIN, END = "<!-- tests/kernel/table.py begins -->", "<!-- tests/kernel/table.py ends -->"
FAILOVER = ("failover", "failback", "replace-link0", "replace-link1", "down-of-0", "down-of-1")
# Title and operations: of several, the worst is shown.
OUTAGES = (
    ("traffic", ("ping", "ping-enslaved")),
    ("failover", FAILOVER),
    ("enslaved", ("enslave",)),
    ("address", ("address",)),
    ("MAC", ("mac",)),
    ("renamed", ("rename",)),
    ("down, up", ("down-up",)),
    ("deleted, made again", ("ping-again",)),
)
OTHERS = (
    ("attach", ("attach", "attach-again")),
    ("learned", ("learned",)),
    ("TCP out", ("tcp-out",)),
    ("TCP in", ("tcp-in",)),
    ("TCP out, small", ("tcp-out small",)),
    ("TCP in, small", ("tcp-in small",)),
    ("deleted port", ("delete",)),
    ("detach", ("detach",)),
)


def read(path):
    """The kernel's release, and results by kind, operation and system."""
    release, results = "", collections.defaultdict(list)
    for line in pathlib.Path(path).read_text(errors="replace").splitlines():
        if line.startswith("Linux "):
            release = re.match(r"Linux (\d+\.\d+)", line)[1]
        words = line.split()
        if words[:1] == ["cell"]:
            kind, operation, system, _family, result = words[1:6]
            if kind.endswith("-small"):
                kind, operation = kind.removesuffix("-small"), f"{operation} small"
                if not operation.startswith("tcp"):
                    continue
            results[kind, operation, system].append(result)
    return release, results


def worst(values):
    if not values:
        return ""
    if all(v.isdigit() for v in values):
        return max(values, key=int)
    bad = [v for v in values if not v.isdigit() and v not in ("ok", "gone")]
    return bad[0] if bad else values[0]


def cell(results, kind, operations):
    both = []
    for system in ("kernel", "xvtep"):
        values = [v for o in operations for v in results.get((kind, o, system), [])]
        if values and operations[0].startswith("tcp"):
            both.append(f"{min(map(int, values)) / 1000:.1f}")
        else:
            both.append(worst(values))
    return " / ".join(both) if any(both) else "–"


def table(results, columns):
    kinds = list(dict.fromkeys(kind for kind, _, _ in results))
    lines = ["| underlay port | " + " | ".join(title for title, _ in columns) + " |"]
    lines.append("|---|" + "---|" * len(columns))
    for kind in kinds:
        cells = [cell(results, kind, operations) for _, operations in columns]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return lines


def main():
    text = DOCUMENT.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    lines = []
    for path in sys.argv[1:]:
        release, results = read(path)
        lines += [f"### Linux {release}", "", "Outages in ms:", "", *table(results, OUTAGES), ""]
        lines += ["The rest; TCP in Gbit/s of the machine's clock:", "", *table(results, OTHERS), ""]
    DOCUMENT.write_text(before + BEGIN + "\n\n" + "\n".join(lines) + "\n" + END + after)


main()
