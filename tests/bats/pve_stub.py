#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""qm set, pvesh create|set for tests: see pve_stub.bash."""
import hashlib
import os
import re
import subprocess
import sys

ROOT = "@ROOT@"
PCI = ROOT + "/etc/pve/mapping/pci.cfg"


def die(text):
    sys.stderr.write(text + "\n")
    sys.exit(255)


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except FileNotFoundError:
        return ""


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def digest(text):
    return hashlib.sha1(text.encode()).hexdigest()


def options(words):
    got = {}
    while words:
        if not words[0].startswith("--") or len(words) < 2:
            die("Unknown option: " + words[0])
        got.setdefault(words[0][2:], []).append(words[1])
        words = words[2:]
    return got


def check_digest(opts, text):
    if opts.pop("digest", [digest(text)])[0] != digest(text):
        die("detected modified configuration - file changed by other user? Try again.")


def vm_path(vmid):
    path = f"{ROOT}/etc/pve/qemu-server/{vmid}.conf"
    if not os.path.exists(path):
        die(f"Configuration file 'nodes/pve1/qemu-server/{vmid}.conf' does not exist")
    return path


def qm_set(vmid, opts):
    path = vm_path(vmid)
    text = read(path)
    check_digest(opts, text)
    if re.search(r"^lock: ", text, re.M):
        die("VM is locked (backup)")
    for key, values in opts.items():
        if not re.fullmatch(r"hostpci\d+|hookscript", key):
            die("Unknown option: " + key)
        line = f"{key}: {values[0]}"
        if not re.search(rf"^{key}: ", text, re.M):
            text = line + "\n" + text
        head, mark, pending = text.partition("[PENDING]\n")
        if re.search(rf"^{key}: ", pending, re.M):
            pending = re.sub(rf"^{key}: .*$", line, pending, flags=re.M)
        else:
            head = re.sub(rf"^{key}: .*$", line, head, flags=re.M)
        text = head + mark + pending
    write(path, text)


def sections():
    got = {}
    for part in re.split(r"\n\s*\n", read(PCI)):
        lines = [line for line in part.split("\n") if line]
        if lines:
            got[lines[0]] = [line.split(None, 1) for line in lines[1:]]
    return got


def write_sections(got):
    write(PCI, "".join(name + "\n" + "".join(f"\t{k} {v}\n" for k, v in lines) + "\n" for name, lines in got.items()))


def mapping(verb, name, opts):
    got = sections()
    check_digest(opts, read(PCI))
    if verb == "create":
        name = opts.pop("id")[0]
        if name in got:
            die(f"create hardware mapping failed: pci ID '{name}' already defined")
        got[name] = []
    if name not in got:
        die(f"mapping '{name}' not found")
    for key, values in opts.items():
        if key not in ("map", "mdev", "live-migration-capable", "description"):
            die("Unknown option: " + key)
        got[name] = [line for line in got[name] if line[0] != key] + [[key, v] for v in values]
    write_sections(got)


def run_test_code(when):
    """What a test does behind the caller's back: a file ROOT/pvesh.before or .after."""
    path = f"{ROOT}/{os.path.basename(sys.argv[0])}.{when}"
    if os.path.exists(path):
        subprocess.run(["/bin/bash", path], check=True)


def main():
    tool, words = os.path.basename(sys.argv[0]), sys.argv[1:]
    with open(ROOT + "/calls", "a") as f:
        f.write(" ".join([tool] + words) + "\n")
    if tool == "qm" and words[0] == "set":
        return qm_set(words[1], options(words[2:]))
    if tool == "pvesh":
        opts = options(words[2:])
        m = re.fullmatch(r"/cluster/mapping/pci(?:/(.+))?", words[1])
        if m:
            return mapping(words[0], m[1], opts)
    die("unknown command: " + " ".join(words))


run_test_code("before")
main()
sys.stdout.flush()
run_test_code("after")
