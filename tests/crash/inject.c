/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Run a program and end it, or have a system call of it fail, at one point.
 *
 * A point is a call that changes something outside of the process, or, with
 * --reads, one that reads it. It is named PROCESS.NUMBER: 1 is the program
 * itself, 2 the first that it forks, and so on; each counts its own, so that
 * two that run side by side do not change each other's numbers. A process that
 * has become another program is left alone. x86-64 only.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"

#define NOT_REACHED	124	/* exit status: the point did not come */
#define NO_TRACE	125	/* the tracer itself failed */
#define MAX_PROCS	64

enum action { ACT_NONE, ACT_KILL, ACT_ERRNO, ACT_SHORT };

struct proc {
	pid_t pid;
	unsigned int ordinal;	/* 0: not ours, or not any more */
	unsigned int count;
	bool begun;		/* its loader is done, and the program has begun */
	bool hit;		/* it is inside of the call that is meant */
	bool again;		/* it makes the same call once more, see make_again() */
};

struct tracer {
	unsigned int at_proc, at_number;
	bool after, reads;
	enum action action;
	int errnum;
	FILE *points;
	struct stat program;
	struct proc procs[MAX_PROCS];
	size_t nprocs;
	unsigned int last_ordinal;
	bool reached;
	pid_t main;
	int status;
};

__attribute__((noreturn, format(printf, 1, 2)))
static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("inject: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(NO_TRACE);
}

static struct proc *find(struct tracer *t, pid_t pid)
{
	for (size_t i = 0; i < t->nprocs; i++)
		if (t->procs[i].pid == pid)
			return &t->procs[i];
	return NULL;
}

static struct proc *add(struct tracer *t, pid_t pid)
{
	struct proc *p = find(t, pid);

	if (p)
		return p;
	if (t->nprocs == MAX_PROCS)
		die("more than %d processes", MAX_PROCS);
	p = &t->procs[t->nprocs++];
	*p = (struct proc){ .pid = pid };
	return p;
}

static void drop(struct tracer *t, pid_t pid)
{
	struct proc *p = find(t, pid);

	if (p)
		*p = t->procs[--t->nprocs];
}

/* In the child: stop at the calls that are looked at, and at no others. */
static void filter_calls(void)
{
	size_t n, at = 0;
	const int *numbers = calls_traced(&n);
	struct sock_filter *f = calloc(n + 5, sizeof(*f));
	struct sock_fprog prog = { .len = (unsigned short)(n + 5), .filter = f };

	if (!f)
		_exit(NO_TRACE);
	f[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	f[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, (unsigned char)(n + 1));
	f[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < n; i++)
		f[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)numbers[i],
						       (unsigned char)(n - i), 0);
	f[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	f[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	prog.len = (unsigned short)at;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		_exit(NO_TRACE);
}

static void start(struct tracer *t, char *argv[])
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK |
		PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	int status;

	if (stat(argv[0], &t->program) < 0)
		die("run '%s': %s; PROGRAM is its path", argv[0], strerror(errno));
	t->main = fork();
	if (t->main < 0)
		die("fork: %s", strerror(errno));
	if (!t->main) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP))
			_exit(NO_TRACE);
		filter_calls();
		execv(argv[0], argv);
		die("run '%s': %s", argv[0], strerror(errno));
	}
	if (waitpid(t->main, &status, 0) < 0 || !WIFSTOPPED(status))
		die("the program does not stop: %s", strerror(errno));
	if (ptrace(PTRACE_SETOPTIONS, t->main, NULL, options) < 0)
		die("trace: %s", strerror(errno));
	add(t, t->main);
	ptrace(PTRACE_CONT, t->main, NULL, NULL);
}

static void note(struct tracer *t, const struct proc *p, enum effect effect, const struct user_regs_struct *regs)
{
	char *object = call_object(p->pid, regs);
	unsigned long long half;

	fprintf(t->points, "%u.%u %s %s%s %s\n", p->ordinal, p->count, effect == EFFECT_CHANGE ? "change" : "read",
		call_name(regs), call_halved(regs, &half) ? "+" : "", object ? object : "");
	free(object);
}

/* Before the call: what it is to be instead. Returns how to go on. */
static long act_before(struct tracer *t, struct proc *p, struct user_regs_struct *regs)
{
	unsigned long long half;

	p->hit = t->after;
	t->reached = true;
	if (t->after)
		return PTRACE_SYSCALL;
	if (t->action == ACT_SHORT) {
		if (call_halved(regs, &half))
			regs->rdx = half;
	} else {
		/* No call of that number: nothing is done, and what stands in rax comes back. */
		regs->orig_rax = (unsigned long long)-1;
		regs->rax = (unsigned long long)-(long long)t->errnum;
	}
	if (ptrace(PTRACE_SETREGS, p->pid, NULL, regs) < 0)
		die("registers of %d: %s", (int)p->pid, strerror(errno));
	if (t->action == ACT_KILL)
		kill(p->pid, SIGKILL);
	return PTRACE_CONT;
}

/* A call that is looked at begins. */
static long at_call(struct tracer *t, struct proc *p)
{
	struct user_regs_struct regs;
	enum effect effect;

	if (!p->ordinal || ptrace(PTRACE_GETREGS, p->pid, NULL, &regs) < 0)
		return PTRACE_CONT;
	/* What the loader does is done before the first line of the program. */
	if (!p->begun)
		p->begun = call_opens_place(p->pid, &regs);
	effect = call_effect(p->pid, &regs);
	if (!p->begun || effect == EFFECT_NONE)
		return PTRACE_CONT;
	if (effect == EFFECT_CHANGE || t->reads) {
		p->count += !p->again;
		if (t->points && !p->again)
			note(t, p, effect, &regs);
	}
	p->again = false;
	if (t->action == ACT_NONE || p->ordinal != t->at_proc || p->count != t->at_number || t->reached)
		return call_may_again(&regs) ? PTRACE_SYSCALL : PTRACE_CONT;
	return act_before(t, p, &regs);
}

/*
 * openat2() within a root says EAGAIN where something was renamed anywhere on
 * the machine meanwhile, and the program then goes another way, with other
 * calls. Numbers would be by chance: so the call is made again.
 */
static long make_again(struct proc *p)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, p->pid, NULL, &regs) < 0 || !call_may_again(&regs) ||
	    regs.rax != (unsigned long long)-EAGAIN)
		return PTRACE_CONT;
	regs.rax = regs.orig_rax;
	regs.rip -= 2;		/* the size of `syscall` */
	p->again = true;
	ptrace(PTRACE_SETREGS, p->pid, NULL, &regs);
	return PTRACE_CONT;
}

/* A call that was waited for has been done. */
static long at_return(struct tracer *t, struct proc *p)
{
	struct user_regs_struct regs;

	if (!p->hit)
		return make_again(p);
	p->hit = false;
	if (t->action == ACT_KILL) {
		kill(p->pid, SIGKILL);
		return PTRACE_CONT;
	}
	if (ptrace(PTRACE_GETREGS, p->pid, NULL, &regs) < 0)
		return PTRACE_CONT;
	regs.rax = (unsigned long long)-(long long)t->errnum;
	ptrace(PTRACE_SETREGS, p->pid, NULL, &regs);
	return PTRACE_CONT;
}

static bool is_program(const struct tracer *t, pid_t pid)
{
	char name[64];
	struct stat st;

	snprintf(name, sizeof(name), "/proc/%d/exe", (int)pid);
	return stat(name, &st) == 0 && st.st_dev == t->program.st_dev && st.st_ino == t->program.st_ino;
}

/* It has become a program: ours once more, or one that is left alone. */
static void at_exec(struct tracer *t, struct proc *p)
{
	if (!is_program(t, p->pid)) {
		p->ordinal = 0;
		return;
	}
	if (!p->ordinal)
		p->ordinal = ++t->last_ordinal;
	p->begun = false;
}

static void at_fork(struct tracer *t, const struct proc *parent)
{
	unsigned long pid = 0;
	unsigned int ours = parent->ordinal;
	struct proc *child;

	if (ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &pid) < 0)
		return;
	child = add(t, (pid_t)pid);
	if (!ours)
		return;
	child->ordinal = ++t->last_ordinal;
	child->begun = true;
}

static void ended(struct tracer *t, pid_t pid, int status)
{
	if (pid == t->main)
		t->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	drop(t, pid);
}

/* A stop of the process: what happened, and how it goes on. */
static void stopped(struct tracer *t, pid_t pid, int status)
{
	struct proc *p = find(t, pid);
	int event = status >> 16, sig = WSTOPSIG(status);
	long how = PTRACE_CONT;

	if (!p) {
		/* A child can stop before its parent says that it forked: it waits for that. */
		add(t, pid);
		return;
	}
	if (event == PTRACE_EVENT_SECCOMP) {
		how = at_call(t, p);
	} else if (event == PTRACE_EVENT_EXEC) {
		at_exec(t, p);
	} else if (event) {
		unsigned long child = 0;
		bool waits;

		ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child);
		waits = find(t, (pid_t)child);
		at_fork(t, p);
		p = find(t, pid);
		if (waits)
			ptrace(PTRACE_CONT, (pid_t)child, NULL, NULL);
	} else if (sig == (SIGTRAP | 0x80)) {
		how = at_return(t, p);
	}
	/* Inside of the call that is meant its end is still to come. */
	if (p->hit && t->after && how == PTRACE_CONT)
		how = PTRACE_SYSCALL;
	ptrace((enum __ptrace_request)how, pid, NULL,
	       (void *)(long)(event || sig == (SIGTRAP | 0x80) || sig == SIGSTOP ? 0 : sig));
}

static int trace(struct tracer *t)
{
	while (t->nprocs) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			break;
		if (WIFSTOPPED(status))
			stopped(t, pid, status);
		else
			ended(t, pid, status);
	}
	if (t->action != ACT_NONE && !t->reached)
		return NOT_REACHED;
	return t->status;
}

static void usage(void)
{
	fputs("usage: inject [--points FILE] [--reads] [--at PROCESS.NUMBER [--before | --after] --kill | --errno NAME | --short] -- PROGRAM [ARG...]\n"
	      "  --points FILE  write each point there: PROCESS.NUMBER change|read CALL[+] OBJECT; + can be short\n"
	      "exit status: the program's, 128 and the signal's number, 124 where the point did not come, 125 a failure of inject\n",
	      stderr);
	exit(2);
}

static void parse_at(struct tracer *t, const char *text)
{
	char rest;

	if (sscanf(text, "%u.%u%c", &t->at_proc, &t->at_number, &rest) != 2 || !t->at_proc || !t->at_number)
		usage();
}

static void open_points(struct tracer *t, const char *path)
{
	t->points = fopen(path, "we");
	if (!t->points)
		die("write points to '%s': %s", path, strerror(errno));
}

static void parse_errno(struct tracer *t, const char *name)
{
	t->action = ACT_ERRNO;
	t->errnum = errno_by_name(name);
	if (!t->errnum)
		usage();
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "at", required_argument, NULL, 'n' }, { "before", no_argument, NULL, 'b' },
		{ "after", no_argument, NULL, 'a' }, { "kill", no_argument, NULL, 'k' },
		{ "errno", required_argument, NULL, 'e' }, { "short", no_argument, NULL, 's' },
		{ "points", required_argument, NULL, 'p' }, { "reads", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	static struct tracer t;
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (c) {
		case 'n': parse_at(&t, optarg); break;
		case 'b': t.after = false; break;
		case 'a': t.after = true; break;
		case 'k': t.action = ACT_KILL; break;
		case 'e': parse_errno(&t, optarg); break;
		case 's': t.action = ACT_SHORT; break;
		case 'p': open_points(&t, optarg); break;
		case 'r': t.reads = true; break;
		default: usage();
		}
	}
	if (optind == argc || (t.action != ACT_NONE) != (t.at_proc != 0))
		usage();
	start(&t, argv + optind);
	c = trace(&t);
	if (t.points && fclose(t.points) != 0)
		die("write points: %s", strerror(errno));
	return c;
}
