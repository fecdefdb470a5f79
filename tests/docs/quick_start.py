#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs the quick start of README.md: quick_start.py XVTEP [--print]

Makes the two hosts and the containers that the section describes, in network namespaces, and runs
each of its commands in the host or container that its prompt names. Fails when a command fails, or
when a command prints nothing where the README shows output. --print prints the commands with their
output, to copy into the README. Needs root; exits 77 without.
"""
import os
import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
PREFIX = f"xvq{os.getpid()}-"
NODES = ("host1", "host2", "container1", "container2")
SETUP = """
link add enp0s8 netns {host1} type veth peer name enp0s8 netns {host2}
link add veth1 netns {host1} type veth peer name eth0 netns {container1}
link add veth1 netns {host2} type veth peer name eth0 netns {container2}
-n {host1} addr add 192.168.8.100/24 dev enp0s8
-n {host2} addr add 192.168.8.101/24 dev enp0s8
-n {host1} link add br0 type bridge
-n {host2} link add br0 type bridge
-n {host1} link set veth1 master br0
-n {host2} link set veth1 master br0
-n {container1} addr add 10.20.1.2/24 dev eth0
-n {container2} addr add 10.20.1.3/24 dev eth0
-n {container1} link set eth0 mtu 1450
-n {container2} link set eth0 mtu 1450
-n {host1} link set enp0s8 up
-n {host2} link set enp0s8 up
-n {host1} link set br0 up
-n {host2} link set br0 up
-n {host1} link set veth1 up
-n {host2} link set veth1 up
-n {container1} link set eth0 up
-n {container2} link set eth0 up
"""


def commands():
    """(node, command, whether the README shows output) of the section's code blocks, in order."""
    section = README.read_text().split("\n## Quick start\n")[1].split("\n## ")[0]
    lines = [l for block in re.findall(r"```\n(.*?)```", section, re.DOTALL) for l in block.split("\n")]
    for line, following in zip(lines, lines[1:] + [""]):
        if found := re.match(r"(\w+)# (.*?)(?:\s+#.*)?$", line):
            yield found[1], found[2], bool(following) and not re.match(r"\w+# ", following)


def ip(words):
    subprocess.run(["ip", *words.split()], check=True, timeout=10)


def play(xvtep, with_output):
    count = 0
    for node, command, shown in commands():
        words = command.split()
        if words[0] == "xvtep":
            words[0] = xvtep
        words = ["ip", "netns", "exec", PREFIX + node, *words]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode != 0:
            return f"{node}# {command}: exit status {done.returncode}: {done.stderr.strip()}"
        if shown and not done.stdout:
            return f"{node}# {command}: prints nothing"
        if with_output:
            print(f"{node}# {command}\n{done.stdout}", end="")
        count += 1
    return None if count else "README.md has no command in its quick start"


def main():
    if os.geteuid() != 0:
        print("skipped: needs root, for network namespaces and BPF")
        sys.exit(77)
    xvtep = os.path.abspath(sys.argv[1])
    made = []
    try:
        for node in NODES:
            ip(f"netns add {PREFIX}{node}")
            made.append(node)
        for line in SETUP.format(**{node: PREFIX + node for node in NODES}).strip().splitlines():
            ip(line)
        sys.exit(play(xvtep, "--print" in sys.argv[2:]))
    finally:
        for node in made:
            ip(f"netns exec {PREFIX}{node} {xvtep} detach --force")
            ip(f"netns del {PREFIX}{node}")


main()
