/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * QEMU's command line as it has to be for the vGPUs of a VM. Pure: the whole
 * of it is words in, words out.
 */
#ifndef REWRITE_H
#define REWRITE_H

#include "err.h"
#include "runstate.h"
#include "strlist.h"

struct rewrite {
	unsigned int vmid;
	const struct runstate *state;		/* what the hook has promised; NULL: nothing */
	const struct strlist *nvidia;		/* UUIDs of those mdevs on the line whose parent is NVIDIA's; NULL: not looked for */
};

/*
 * What is added stands where qemu-server would have put it, and nothing is added
 * that is there already, so that rewriting twice is rewriting once:
 *
 *   the device of each vGPU that the run state says is to be added, with its
 *   root port or bridge where the machine has none;
 *   for x-vga the CPU flags, and where the VM has no `vga` of its own no other display;
 *   -uuid where there is none: the run state's, else, with an NVIDIA mdev among
 *   the devices, the SMBIOS UUID of the line or the one that PVE gives that mdev.
 *
 * All other words are handed on as they are.
 *
 * @words: with argv[0]
 * @out: empty; filled on success alone
 *
 * Returns 0; -EINVAL where the line cannot take a device that it is to have.
 */
int rewrite(const struct strlist *words, const struct rewrite *how, struct strlist *out,
	    struct err *e);

#endif
