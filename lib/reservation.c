/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "reservation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "lock.h"
#include "parse.h"
#include "vmproc.h"
#include "xalloc.h"

#define FILE_PATH	RESERVATION_DIR "/" RESERVATION_NAME
#define LOCK_PATH	FILE_PATH ".lock"
#define LOCK_MS		5000	/* as long as PVE itself waits for it */
#define LOCK_MIN_MS	500	/* PVE holds it for moments: a deadline that is over still gives it one */

static int parse_line(char *line, struct reservation *res)
{
	char *save = NULL;
	char *dev = strtok_r(line, " ", &save), *vmid = strtok_r(NULL, " ", &save);
	char *until = strtok_r(NULL, " ", &save);
	unsigned long v, num;

	if (!until || strtok_r(NULL, " ", &save) || bdf_parse(dev, &res->dev) < 0 ||
	    parse_ulong(vmid, 1, 999999999, &v) < 0)
		return -EINVAL;
	if (!strncmp(until, "time:", 5) && parse_ulong(until + 5, 0, LONG_MAX, &num) == 0)
		res->time = (int64_t)num;
	else if (!strncmp(until, "pid:", 4) && parse_ulong(until + 4, 0, INT_MAX, &num) == 0)
		res->pid = (pid_t)num;
	else
		return -EINVAL;
	res->vmid = (unsigned int)v;
	return 0;
}

void reservation_parse(const char *text, struct reservation_list *l)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		struct reservation *res = GROW(l->r, l->n);
		AUTO_FREE char *copy = xstrndup(text, len);

		if (parse_line(copy, res) < 0)
			*res = (struct reservation){ 0 };
		res->line = xstrndup(text, len);
		text += len + (text[len] == '\n');
	}
}

char *reservation_print(const struct reservation_list *l)
{
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < l->n; i++)
		fprintf(f, "%s\n", l->r[i].line);
	fclose(f);
	return text;
}

void reservation_list_free(struct reservation_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->r[i].line);
	free(take_ptr(l->r));
	l->n = 0;
}

int reservation_read(const struct root *r, struct reservation_list *l, struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_ERR struct err why = { 0 };
	size_t len;
	int rc = root_read(r, FILE_PATH, &text, &len, &why);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return fail(e, rc, "%s", why.msg);
	/* A line with a NUL in it is none; what comes behind it counts all the same. */
	for (size_t i = 0; i < len; i++)
		if (!text[i])
			text[i] = '?';
	reservation_parse(text, l);
	return 0;
}

/*
 * Take out the lines of devs: those of vmid alone, or with vmid 0 whosoever.
 * Returns whether there were any.
 */
static bool drop_lines(struct reservation_list *l, const struct bdf *devs, size_t n,
		       unsigned int vmid)
{
	size_t kept = 0, had = l->n;

	for (size_t i = 0; i < l->n; i++) {
		bool ours = false;

		for (size_t k = 0; k < n && l->r[i].vmid; k++)
			ours |= bdf_eq(&l->r[i].dev, &devs[k]) && (!vmid || l->r[i].vmid == vmid);
		if (ours)
			free(l->r[i].line);
		else
			l->r[kept++] = l->r[i];
	}
	l->n = kept;
	return kept < had;
}

static char *new_lines(const struct bdf *devs, size_t n, unsigned int vmid, int64_t until,
		       pid_t pid)
{
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < n; i++) {
		if (pid)
			fprintf(f, "%s %u pid:%d\n", BDF_STR(&devs[i]), vmid, (int)pid);
		else
			fprintf(f, "%s %u time:%lld\n", BDF_STR(&devs[i]), vmid, (long long)until);
	}
	fclose(f);
	return text;
}

bool reservation_holds(const struct root *r, const struct reservation *res)
{
	if (!res->vmid)
		return false;
	if (res->pid)
		return vm_qemu_pid(r, res->vmid) == res->pid;
	return res->time > clock_epoch();
}

static int check_free(const struct root *r, const struct reservation_list *l,
		      const struct bdf *devs, size_t n, unsigned int vmid, struct err *e)
{
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < n; k++)
			if (bdf_eq(&l->r[i].dev, &devs[k]) && l->r[i].vmid != vmid &&
			    reservation_holds(r, &l->r[i]))
				return fail(e, -EBUSY, "PVE has reserved %s for vm %u",
					    BDF_STR(&devs[k]), l->r[i].vmid);
	return 0;
}

/* Replace the lines of devs by add; without add, those of vmid alone go. */
static int lock_file(const struct root *r, int64_t deadline, int *out, struct err *e)
{
	/* qemu-server makes the directory itself; at the first start after boot we may be earlier. */
	int rc = root_mkdir(r, RESERVATION_DIR, e);
	int64_t begin = clock_ms(), until = begin + LOCK_MS;

	if (rc < 0)
		return rc;

	/* Whoever could open it could hold it. */
	AUTO_FD int fd = root_openat(r, LOCK_PATH, O_RDWR | O_CREAT | O_APPEND, 0600);

	if (fd < 0)
		return fail_errno(e, -fd, "open PVE's lock '/%s'", LOCK_PATH);
	if (until > deadline)
		until = deadline < begin + LOCK_MIN_MS ? begin + LOCK_MIN_MS : deadline;
	rc = lock_wait(fd, until);
	if (rc == -EBUSY) {
		/* Not EBUSY: that is a device that somebody else has reserved. */
		rc = fail(e, -ETIMEDOUT, "another process has held PVE's lock '/%s' for %lld ms",
			  LOCK_PATH, (long long)(until - begin));
		err_hint(e, "qemu-server holds it while a VM starts or stops; try again, and if that does not "
			 "help see who holds it: fuser -v /%s", LOCK_PATH);
		return rc;
	}
	if (rc < 0)
		return fail_errno(e, -rc, "take PVE's lock '/%s'", LOCK_PATH);
	*out = take_fd(&fd);
	return 0;
}

static int change(const struct root *r, const struct bdf *devs, size_t n, unsigned int vmid,
		  const char *add, int64_t deadline, struct err *e)
{
	AUTO_RESERVATIONS struct reservation_list l = { 0 };
	AUTO_FD int lock = -1;
	int rc = lock_file(r, deadline, &lock, e);

	if (rc == 0)
		rc = reservation_read(r, &l, e);
	if (rc == 0 && add)
		rc = check_free(r, &l, devs, n, vmid, e);
	if (rc < 0)
		return rc;
	if (!drop_lines(&l, devs, n, add ? 0 : vmid) && !add)
		return 0;

	AUTO_FREE char *kept = reservation_print(&l);
	AUTO_FREE char *text = xasprintf("%s%s", kept, add ? add : "");

	return root_replace(r, FILE_PATH, text, 0644, e);
}

static int with_hint(int rc, struct err *e)
{
	if (rc < 0)
		err_hint(e, "PVE keeps its reservations under /run: see that /run is mounted, writable and not "
			 "full (df /run; df -i /run)");
	return rc;
}

int reservation_set(const struct root *r, const struct bdf *devs, size_t n, unsigned int vmid,
		    int64_t until, pid_t pid, int64_t deadline, struct err *e)
{
	AUTO_FREE char *add = new_lines(devs, n, vmid, until, pid);
	int rc = n ? change(r, devs, n, vmid, add, deadline, e) : 0;

	return rc == -EBUSY ? rc : with_hint(rc, e);
}

int reservation_drop(const struct root *r, const struct bdf *devs, size_t n,
		     unsigned int vmid, int64_t deadline, struct err *e)
{
	return n ? with_hint(change(r, devs, n, vmid, NULL, deadline, e), e) : 0;
}
