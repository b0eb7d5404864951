/* SPDX-License-Identifier: AGPL-3.0-or-later */
#ifndef CRASH_CALLS_H
#define CRASH_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/user.h>

/* What a system call does to what is outside of the process. */
enum effect {
	EFFECT_NONE,
	EFFECT_CHANGE,	/* it can change something that others see */
	EFFECT_READ,	/* it reads something that others can change */
};

/* Numbers of the calls that are looked at, *n of them; static. */
const int *calls_traced(size_t *n);

/* What the call that the process is about to make does: by its number and its arguments. */
enum effect call_effect(pid_t pid, const struct user_regs_struct *regs);

/* Whether it is one that opens a directory or file as a place alone (O_PATH). */
bool call_opens_place(pid_t pid, const struct user_regs_struct *regs);

/* Whether it is one that can say EAGAIN because of what others do: openat2. */
bool call_may_again(const struct user_regs_struct *regs);

/* The call's name; static. */
const char *call_name(const struct user_regs_struct *regs);

/*
 * Whether fewer bytes can be written than asked for: a write of at least two.
 * Where so, *half is the size to put in place of the one asked for.
 */
bool call_halved(const struct user_regs_struct *regs, unsigned long long *half);

/* What the call acts on, as a path: as far as /proc tells. The caller frees it. */
char *call_object(pid_t pid, const struct user_regs_struct *regs);

/* The number of an errno's name ("ENOSPC"), or 0. */
int errno_by_name(const char *name);

#endif
