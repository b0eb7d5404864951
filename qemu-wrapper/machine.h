/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The machine that qemu-server's command line makes. Pure. */
#ifndef MACHINE_H
#define MACHINE_H

#include "cmdline.h"

bool machine_is_q35(const struct strlist *words);

/* Source: qemu-server src/PVE/QemuServer/OVMF.pm, print_ovmf_commandline() */
bool machine_has_ovmf(const struct strlist *words);

/* Whether a -device has this id. */
bool machine_has_device(const struct strlist *words, const char *id);

/*
 * Where among the words qemu-server would put hostpci<index>: behind the bridges,
 * USB controllers, tablet and keyboard, and behind the hostpci devices before it.
 * Source: qemu-server src/PVE/QemuServer.pm, config_to_command()
 */
size_t machine_place(const struct strlist *words, unsigned int index);

#endif
