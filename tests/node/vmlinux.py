# SPDX-License-Identifier: AGPL-3.0-or-later
"""vmlinux.py VMLINUZ VMLINUX: take the kernel out of an x86 bzImage.

QEMU starts a vmlinux by its PVH entry, without the time that the kernel takes to unpack itself.
The setup header's payload_offset counts from the protected-mode code; the payload ends with its
unpacked size in four bytes that are not part of the compressed stream.
Source: Documentation/arch/x86/boot.rst
"""
import lzma
import struct
import subprocess
import sys


def unpack(payload):
    if payload.startswith(b'\xfd7zXZ\x00'):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b'\x28\xb5\x2f\xfd'):
        return subprocess.run(['zstd', '-q', '-d', '-c'], input=payload, stdout=subprocess.PIPE, check=True).stdout
    sys.exit(f'{sys.argv[1]}: compressed in a way that is not known here: begins with {payload[:6].hex()}')


with open(sys.argv[1], 'rb') as f:
    image = f.read()
if image[0x202:0x206] != b'HdrS':
    sys.exit(f'{sys.argv[1]}: no x86 boot image')
code = (image[0x1f1] + 1) * 512
offset, length = struct.unpack_from('<II', image, 0x248)
vmlinux = unpack(image[code + offset:code + offset + length - 4])
size, = struct.unpack_from('<I', image, code + offset + length - 4)
if len(vmlinux) != size:
    sys.exit(f'{sys.argv[1]}: unpacked to {len(vmlinux)} bytes, not {size}')
with open(sys.argv[2], 'wb') as f:
    f.write(vmlinux)
