/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What pre-start has promised the VM: its run state, which says what the
 * wrapper has to do. What cannot be believed is a failure, so that no VM starts
 * without the GPU that it was promised.
 */
#ifndef PROMISE_H
#define PROMISE_H

#include "root.h"
#include "runstate.h"
#include "strlist.h"

/*
 * Returns 1 and *out where there is something to do; 0: nothing is promised;
 * -EBADMSG, -EPROTO or -EPERM: the run state is damaged, of another VM, of a
 * newer version, or no plain file of root's; -EEXIST: the VM's QEMU runs already;
 * -ESTALE: it was not written for this start, or not for the VM of this command line (words), or
 * a vGPU that is to be added is not there.
 */
int promise_read(const struct root *r, unsigned int vmid, const struct strlist *words,
		 struct runstate *out, struct err *e);

/*
 * Write vgpu_params of what qemu-server has made. words: the command line, which
 * tells what that is. Returns 0; -ENODEV where it is not on the line; or -errno.
 */
int promise_write_params(const struct root *r, const struct runstate *s,
			 const struct strlist *words, struct err *e);

#endif
