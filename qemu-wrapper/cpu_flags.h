/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The value of QEMU's -cpu, with what qemu-server adds to it for x-vga. Pure. */
#ifndef CPU_FLAGS_H
#define CPU_FLAGS_H

/*
 * kvm=off, and in front of a Windows guest (which has Hyper-V's flags) a
 * vendor id of Hyper-V's; each where nothing is said about it yet, in the place
 * where qemu-server's order has it. The caller frees it.
 * Source: qemu-server src/PVE/QemuServer/CPUConfig.pm, get_cpu_options(),
 * get_hyperv_enlightenments(), print_cpu_flags()
 */
char *cpu_for_x_vga(const char *cpu);

#endif
