/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* How a call names what it acts on. */
enum object {
	OBJ_NONE,
	OBJ_PATH,	/* a path in the first argument */
	OBJ_AT,		/* a directory and a path below it */
	OBJ_FD,		/* a descriptor */
	OBJ_TO_AT,	/* a directory and a path, in the second and third argument */
};

static const struct call {
	int nr;
	const char *name;
	enum effect effect;	/* of open calls: as their flags say */
	enum object object;
} calls[] = {
	{ SYS_open, "open", EFFECT_NONE, OBJ_PATH },
	{ SYS_openat, "openat", EFFECT_NONE, OBJ_AT },
	/* glibc before 2.32 does not know SYS_openat2. */
	{ __NR_openat2, "openat2", EFFECT_NONE, OBJ_AT },
	{ SYS_creat, "creat", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_write, "write", EFFECT_CHANGE, OBJ_FD },
	{ SYS_pwrite64, "pwrite64", EFFECT_CHANGE, OBJ_FD },
	{ SYS_writev, "writev", EFFECT_CHANGE, OBJ_FD },
	{ SYS_rename, "rename", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_renameat, "renameat", EFFECT_CHANGE, OBJ_AT },
	{ SYS_renameat2, "renameat2", EFFECT_CHANGE, OBJ_AT },
	{ SYS_unlink, "unlink", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_unlinkat, "unlinkat", EFFECT_CHANGE, OBJ_AT },
	{ SYS_rmdir, "rmdir", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_mkdir, "mkdir", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_mkdirat, "mkdirat", EFFECT_CHANGE, OBJ_AT },
	{ SYS_link, "link", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_linkat, "linkat", EFFECT_CHANGE, OBJ_AT },
	{ SYS_symlink, "symlink", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_symlinkat, "symlinkat", EFFECT_CHANGE, OBJ_TO_AT },
	{ SYS_truncate, "truncate", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_ftruncate, "ftruncate", EFFECT_CHANGE, OBJ_FD },
	{ SYS_fallocate, "fallocate", EFFECT_CHANGE, OBJ_FD },
	{ SYS_fsync, "fsync", EFFECT_CHANGE, OBJ_FD },
	{ SYS_fdatasync, "fdatasync", EFFECT_CHANGE, OBJ_FD },
	{ SYS_flock, "flock", EFFECT_CHANGE, OBJ_FD },
	{ SYS_chmod, "chmod", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_fchmod, "fchmod", EFFECT_CHANGE, OBJ_FD },
	{ SYS_fchmodat, "fchmodat", EFFECT_CHANGE, OBJ_AT },
	{ SYS_chown, "chown", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_fchown, "fchown", EFFECT_CHANGE, OBJ_FD },
	{ SYS_fchownat, "fchownat", EFFECT_CHANGE, OBJ_AT },
	{ SYS_utimensat, "utimensat", EFFECT_CHANGE, OBJ_AT },
	{ SYS_fork, "fork", EFFECT_CHANGE, OBJ_NONE },
	{ SYS_vfork, "vfork", EFFECT_CHANGE, OBJ_NONE },
	{ SYS_clone, "clone", EFFECT_CHANGE, OBJ_NONE },
	{ SYS_clone3, "clone3", EFFECT_CHANGE, OBJ_NONE },
	{ SYS_execve, "execve", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_execveat, "execveat", EFFECT_CHANGE, OBJ_AT },
	{ SYS_kill, "kill", EFFECT_CHANGE, OBJ_NONE },
	{ SYS_mount, "mount", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_umount2, "umount2", EFFECT_CHANGE, OBJ_PATH },
	{ SYS_read, "read", EFFECT_READ, OBJ_FD },
	{ SYS_pread64, "pread64", EFFECT_READ, OBJ_FD },
	{ SYS_getdents64, "getdents64", EFFECT_READ, OBJ_FD },
	{ SYS_readlink, "readlink", EFFECT_READ, OBJ_PATH },
	{ SYS_readlinkat, "readlinkat", EFFECT_READ, OBJ_AT },
	{ SYS_stat, "stat", EFFECT_READ, OBJ_PATH },
	{ SYS_lstat, "lstat", EFFECT_READ, OBJ_PATH },
	{ SYS_fstat, "fstat", EFFECT_READ, OBJ_FD },
	{ SYS_newfstatat, "newfstatat", EFFECT_READ, OBJ_AT },
	{ SYS_statx, "statx", EFFECT_READ, OBJ_AT },
	{ SYS_fcntl, "fcntl", EFFECT_NONE, OBJ_FD },
};

const int *calls_traced(size_t *n)
{
	static int numbers[ARRAY_SIZE(calls)];

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		numbers[i] = calls[i].nr;
	*n = ARRAY_SIZE(calls);
	return numbers;
}

static const struct call *find(const struct user_regs_struct *regs)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if ((unsigned long long)calls[i].nr == regs->orig_rax)
			return &calls[i];
	return NULL;
}

static bool peek(pid_t pid, unsigned long long at, void *to, size_t len)
{
	struct iovec here = { to, len }, there = { (void *)(unsigned long)at, len };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)len;
}

static unsigned long long open_flags(pid_t pid, const struct user_regs_struct *regs)
{
	struct open_how how = { 0 };

	if (regs->orig_rax == SYS_open)
		return regs->rsi;
	if (regs->orig_rax == SYS_openat)
		return regs->rdx;
	return peek(pid, regs->rdx, &how, sizeof(how)) ? how.flags : 0;
}

static bool is_open(const struct user_regs_struct *regs)
{
	return regs->orig_rax == SYS_open || regs->orig_rax == SYS_openat || regs->orig_rax == __NR_openat2;
}

bool call_opens_place(pid_t pid, const struct user_regs_struct *regs)
{
	return is_open(regs) && open_flags(pid, regs) & O_PATH;
}

enum effect call_effect(pid_t pid, const struct user_regs_struct *regs)
{
	const struct call *c = find(regs);

	if (!c)
		return EFFECT_NONE;
	if (is_open(regs))
		return open_flags(pid, regs) & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR) ? EFFECT_CHANGE : EFFECT_READ;
	if (regs->orig_rax == SYS_fcntl)
		return regs->rsi == F_SETLK || regs->rsi == F_SETLKW || regs->rsi == F_OFD_SETLK ||
			regs->rsi == F_OFD_SETLKW ? EFFECT_CHANGE : EFFECT_NONE;
	return c->effect;
}

bool call_may_again(const struct user_regs_struct *regs)
{
	return regs->orig_rax == __NR_openat2;
}

const char *call_name(const struct user_regs_struct *regs)
{
	const struct call *c = find(regs);

	return c ? c->name : "?";
}

bool call_halved(const struct user_regs_struct *regs, unsigned long long *half)
{
	if ((regs->orig_rax != SYS_write && regs->orig_rax != SYS_pwrite64) || regs->rdx < 2)
		return false;
	*half = regs->rdx / 2;
	return true;
}

static char *of_fd(pid_t pid, long long fd)
{
	char *name = NULL, target[PATH_MAX];
	ssize_t n;

	if ((int)fd == AT_FDCWD)
		return strdup(".");
	if (asprintf(&name, "/proc/%d/fd/%d", (int)pid, (int)fd) < 0)
		return NULL;
	n = readlink(name, target, sizeof(target) - 1);
	free(name);
	target[n < 0 ? 0 : n] = '\0';
	return strdup(target);
}

static char *string_at(pid_t pid, unsigned long long at)
{
	char text[PATH_MAX] = "";
	size_t n = 0;

	while (at && n < sizeof(text) - 1 && peek(pid, at + n, text + n, 1) && text[n])
		n++;
	text[n] = '\0';
	return strdup(text);
}

static char *of_dir(pid_t pid, unsigned long long dir, unsigned long long at)
{
	char *above = of_fd(pid, (long long)dir), *name = string_at(pid, at), *both = NULL;

	if (asprintf(&both, "%s%s%s", above && name[0] != '/' ? above : "", name[0] == '/' ? "" : "/", name) < 0)
		both = NULL;
	free(above);
	free(name);
	return both;
}

char *call_object(pid_t pid, const struct user_regs_struct *regs)
{
	const struct call *c = find(regs);

	switch (c ? c->object : OBJ_NONE) {
	case OBJ_PATH:
		return string_at(pid, regs->rdi);
	case OBJ_AT:
		return of_dir(pid, regs->rdi, regs->rsi);
	case OBJ_TO_AT:
		return of_dir(pid, regs->rsi, regs->rdx);
	case OBJ_FD:
		return of_fd(pid, (long long)regs->rdi);
	default:
		return strdup("");
	}
}

int errno_by_name(const char *name)
{
	static const struct { const char *name; int number; } errnos[] = {
		{ "ENOSPC", ENOSPC }, { "EIO", EIO }, { "EACCES", EACCES }, { "EROFS", EROFS },
		{ "EMFILE", EMFILE }, { "ENOMEM", ENOMEM }, { "EINTR", EINTR }, { "EAGAIN", EAGAIN },
		{ "EPERM", EPERM }, { "ENOLCK", ENOLCK }, { "EDQUOT", EDQUOT }, { "EBUSY", EBUSY },
		{ "ENOENT", ENOENT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(errnos); i++)
		if (!strcmp(errnos[i].name, name))
			return errnos[i].number;
	return 0;
}
