#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The types of the driver's boards, from the simulated node's table, as C.

usage: gen-types.py types.json > typetable.h
"""

import json
import re
import sys

# What the driver has: name, memory in MiB, and how many VFs (0: none).
BOARDS = [("A40", 49152, 32), ("T4", 16384, 0)]

# What a row does not say, tests/sim/typetable.c fills in the same way.
DEFAULTS = {"num_heads": 4, "frl": 60, "max_resolution": "7680x4320"}


def framebuffer(row):
    gb = re.search(r"-(\d+)[A-Za-z]\w*$", row["name"])
    return int(gb.group(1)) * 1024 or 512 if gb else 512


def complete(row, memory_mib, vfs):
    row = {**DEFAULTS, **row}
    row.setdefault("framebuffer_mib", framebuffer(row))
    if "max_instance" not in row:
        n = memory_mib // row["framebuffer_mib"]
        row["max_instance"] = max(1, min(n, vfs) if vfs else n)
    return row


def quoted(text):
    return json.dumps(text)


def print_board(name, rows):
    print(f"static const struct vgpu_type {name.lower()}_types[] = {{")
    for row in rows:
        print(f"\t{{ .id = {row['id']}, .name = {quoted(row['name'])},\n"
              f"\t  .fb_mib = {row['framebuffer_mib']},"
              f" .max_instance = {row['max_instance']},"
              f" .num_heads = {row['num_heads']}, .frl = {row['frl']},\n"
              f"\t  .max_resolution = {quoted(row['max_resolution'])} }},")
    print("};\n")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: gen-types.py types.json > typetable.h")
    with open(sys.argv[1], encoding="utf-8") as f:
        table = json.load(f)
    print("/* SPDX-License-Identifier: GPL-2.0-or-later */")
    print("/* Made by gen-types.py: change that, or types.json. */\n")
    for name, memory_mib, vfs in BOARDS:
        print(f"#define {name}_MEMORY_MIB\t{memory_mib}\n")
        print_board(name, [complete(r, memory_mib, vfs) for r in table[name]])


main()
