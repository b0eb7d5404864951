/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wrapper_there.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "cleanup.h"

static bool stat_file(const struct root *r, const char *path, struct stat *st)
{
	AUTO_FD int fd = root_openat(r, path, O_PATH, 0);

	return fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode);
}

bool wrapper_there(const struct root *r)
{
	struct stat kvm, program, qemu;

	return stat_file(r, WRAPPER_KVM, &kvm) && stat_file(r, WRAPPER_PROGRAM, &program) &&
		stat_file(r, WRAPPER_DIVERTED, &qemu) &&
		kvm.st_dev == program.st_dev && kvm.st_ino == program.st_ino &&
		!(qemu.st_dev == kvm.st_dev && qemu.st_ino == kvm.st_ino);
}
