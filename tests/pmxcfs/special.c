/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cluster.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static const char *const own[] = { ".version", ".members", ".vmlist", NULL };
static const char *const controls[] = {
	".sim/quorum", ".sim/age", ".sim/log", ".sim/fault", NULL
};

static bool is_one_of(const char *path, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(path, *list))
			return true;
	return false;
}

bool special_is_dir(const char *path)
{
	return !strcmp(path, ".sim");
}

bool special_can_be_written(const char *path)
{
	return is_one_of(path, controls);
}

bool special_is(const char *path)
{
	return special_is_dir(path) || is_one_of(path, own) || special_can_be_written(path);
}

static void print_members(FILE *f, const struct cluster *c, const struct node *n)
{
	fprintf(f, "{\n\"nodename\": \"%s\",\n\"version\": %u,\n", n->name, c->nnodes);
	fprintf(f, "\"cluster\": { \"name\": \"sim\", \"version\": 1, \"nodes\": %u, \"quorate\": %d },\n",
		c->nnodes, c->quorate);
	fprintf(f, "\"nodelist\": {\n");
	for (unsigned int i = 0; i < c->nnodes; i++)
		fprintf(f, "%s  \"%s\": { \"id\": %u, \"online\": 1, \"ip\": \"192.0.2.%u\"}",
			i ? ",\n" : "", c->nodes[i].name, i + 1, i + 1);
	fprintf(f, "\n  }\n}\n");
}

static void print_guests(FILE *f, const struct entry *dir, const char *node, const char *type, int *count)
{
	const struct entry *e;

	for (e = dir->children; e; e = e->next) {
		char *end;
		unsigned long vmid = strtoul(e->name, &end, 10);

		if (!vmid || strcmp(end, ".conf"))
			continue;
		fprintf(f, "%s\"%lu\": { \"node\": \"%s\", \"type\": \"%s\", \"version\": 1 }",
			(*count)++ ? ",\n" : "", vmid, node, type);
	}
}

static void print_vmlist(FILE *f, struct cluster *c)
{
	const struct entry *nodes = tree_find(&c->tree, "nodes"), *node, *dir;
	int count = 0;

	fprintf(f, "{\n\"version\": %lu,\n\"ids\": {\n", c->tree.version);
	for (node = nodes->children; node; node = node->next) {
		for (dir = node->children; dir; dir = dir->next) {
			if (!strcmp(dir->name, "qemu-server"))
				print_guests(f, dir, node->name, "qemu", &count);
			else if (!strcmp(dir->name, "lxc"))
				print_guests(f, dir, node->name, "lxc", &count);
		}
	}
	fprintf(f, "}\n\n}\n");
}

char *special_read(struct cluster *c, const struct node *n, const char *path)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	if (!strcmp(path, ".version")) {
		fprintf(f, "{ \"starttime\": 1, \"clinfo\": 1, \"vmlist\": %lu }\n", c->tree.version);
	} else if (!strcmp(path, ".members")) {
		print_members(f, c, n);
	} else if (!strcmp(path, ".vmlist")) {
		print_vmlist(f, c);
	} else if (!strcmp(path, ".sim/quorum")) {
		fprintf(f, "%d\n", c->quorate);
	} else if (!strcmp(path, ".sim/log")) {
		fflush(c->log);
		fwrite(c->log_text, 1, c->log_len, f);
	}
	fclose(f);
	return text;
}

/* "PATH SECONDS": the lock's time began so much earlier */
static int age(struct cluster *c, const char *text)
{
	char path[512];
	unsigned int seconds;
	struct entry *e;

	if (sscanf(text, "%511s %u", path, &seconds) != 2)
		return -EINVAL;
	e = tree_find(&c->tree, path);
	if (!e)
		return -ENOENT;
	e->locked -= seconds;
	e->mtime -= seconds;
	return 0;
}

/* The names that faults and the log have: Debian 11's glibc has no strerrorname_np(). */
#define E(name) { #name, name }
static const struct errno_name {
	const char *name;
	int number;
} errno_names[] = {
	E(EPERM), E(ENOENT), E(EINTR), E(EIO), E(EBADF), E(EAGAIN), E(ENOMEM), E(EACCES), E(EBUSY), E(EEXIST), E(EXDEV),
	E(ENODEV), E(ENOTDIR), E(EISDIR), E(EINVAL), E(ENFILE), E(EFBIG), E(ENOSPC), E(EROFS), E(ENAMETOOLONG), E(ENOSYS),
	E(ENOTEMPTY), E(ELOOP), E(EOPNOTSUPP), E(ENOTCONN), E(ETIMEDOUT), E(ESTALE), E(EDQUOT), { NULL, 0 },
};
#undef E

static int errno_of(const char *name)
{
	const struct errno_name *n = errno_names;

	while (n->name && strcmp(n->name, name))
		n++;
	return n->number;
}

static const char *name_of(int number)
{
	const struct errno_name *n = errno_names;

	while (n->name && n->number != number)
		n++;
	return n->name ? n->name : strerror(number);
}

/* "OPERATION PATTERN ERRNO COUNT" */
static int set_fault(struct cluster *c, const char *text)
{
	char op[32], pattern[512], name[32];
	unsigned int count;

	if (sscanf(text, "%31s %511s %31s %u", op, pattern, name, &count) != 4 || !errno_of(name))
		return -EINVAL;
	free(c->fault);
	c->fault = strdup(text);
	return c->fault ? 0 : -ENOMEM;
}

int special_write(struct cluster *c, const char *path, const char *text)
{
	if (!strcmp(path, ".sim/quorum")) {
		c->quorate = text[0] != '0';
		return 0;
	}
	if (!strcmp(path, ".sim/age"))
		return age(c, text);
	if (!strcmp(path, ".sim/fault"))
		return set_fault(c, text);
	if (!strcmp(path, ".sim/log")) {
		fclose(c->log);
		free(c->log_text);
		c->log = open_memstream(&c->log_text, &c->log_len);
		return 0;
	}
	return -EACCES;
}

static int take_fault(struct cluster *c, const char *op, const char *path)
{
	char want[32], pattern[512], name[32], *left = NULL;
	unsigned int count;

	if (!c->fault || sscanf(c->fault, "%31s %511s %31s %u", want, pattern, name, &count) != 4)
		return 0;
	if (!count || strcmp(op, want) || fnmatch(pattern, path, 0))
		return 0;
	if (asprintf(&left, "%s %s %s %u", want, pattern, name, count - 1) < 0)
		return -ENOMEM;
	free(c->fault);
	c->fault = left;
	return -errno_of(name);
}

int cluster_may_change(struct cluster *c, const char *op, const char *path)
{
	if (!c->quorate)
		return -EACCES;
	return take_fault(c, op, path);
}

void cluster_note(struct cluster *c, const struct node *n, const char *op,
		  const char *path, const char *to, int rc)
{
	fprintf(c->log, "%s %s %s%s%s%s%s\n", n->name, op, path, to ? " " : "", to ? to : "",
		rc < 0 ? " " : "", rc < 0 ? name_of(-rc) : "");
}
