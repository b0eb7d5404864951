/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What stands at /usr/bin/kvm: rewrites QEMU's command line where there is a need to, and becomes QEMU. */
#ifndef WRAPPER_H
#define WRAPPER_H

/*
 * @root: of the node, "/"
 * @qemu: the real program, an absolute path
 * @argv: of the caller, ended by NULL; argv[0] is handed on as it is, for PVE
 *	  knows a running VM by it
 *
 * Returns only on failure, which is told on stderr: 1 where the VM must not
 * start, 127 where there is no QEMU, 126 where it cannot be run.
 */
int wrapper_run(const char *root, const char *qemu, char *argv[]);

#endif
