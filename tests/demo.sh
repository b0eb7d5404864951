#!/bin/bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The main job on a simulated node with eight A40: a VM gets its vGPU by name.
# Nothing here is acted: these are the installed programs and a file system that
# answers as the drivers do.
set -eu
cd "$(dirname "$0")/.."

ROOT=$(mktemp -d)
cleanup() {
	fusermount3 -u "$ROOT/sys" 2>/dev/null || true
	rm -rf "$ROOT"
}
trap cleanup EXIT

mkdir -p "$ROOT"/{sys,run,proc,var/lib,etc/pve/qemu-server}
tests/sim/vgpu-sim tests/nodes/a40x8-mdev.json "$ROOT/sys"
pve_vgpu() { pve-helper/pve-vgpu --root "$ROOT" "$@"; }

say() { printf '\n# %s\n' "$*"; }
vm() { printf 'name: vm%s\nargs: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/%08d-0000-0000-0000-%012d\n' \
	"$1" 0 "$1" > "$ROOT/etc/pve/qemu-server/$1.conf"; }

say "A node with eight A40, 32 VFs each. What one of them offers, GPU, name, id, MiB, most, free:"
pve_vgpu types | grep -E '67:00.0.*A40-(12A|24A|48A)'

say "An admin writes /etc/pve/pve-vgpu.conf:"
cat > "$ROOT/etc/pve/pve-vgpu.conf" <<'EOF'
[vm 100]
hostpci0 = A40-24A
[vm 101]
hostpci0 = A40-12A
EOF
sed 's/^/    /' "$ROOT/etc/pve/pve-vgpu.conf"
vm 100
vm 101

say "Where would VM 100 go? Best places first:"
pve_vgpu plan 100 | head -3

say "Proxmox starts VM 100 and calls the hookscript:"
pve_vgpu 100 pre-start
pve_vgpu list

say "VM 101 wants another size. All vGPUs on one GPU are equal, so it has to go elsewhere:"
pve_vgpu plan 101 | grep -E '^  (1\.|out)'
pve_vgpu 101 pre-start

say "Both stop, and nothing is left:"
pve_vgpu 100 post-stop
pve_vgpu 101 post-stop
echo "    vGPUs on this node: $(pve_vgpu list | wc -l)"
