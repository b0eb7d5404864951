/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The wrapper on another root and in front of another program than QEMU, both
 * from its own command line. The installed program has no such way in.
 *
 *	wrapper-at ROOT PROGRAM ARGV0 [ARGUMENT…]
 *
 * Its first system call is getppid(), so that a trace shows where main begins.
 */
#include <stdio.h>
#include <unistd.h>

#include "wrapper.h"

int main(int argc, char *argv[])
{
	if (argc < 4) {
		fputs("usage: wrapper-at ROOT PROGRAM ARGV0 [ARGUMENT…]\n", stderr);
		return 2;
	}
	getppid();
	return wrapper_run(argv[1], argv[2], argv + 3);
}
