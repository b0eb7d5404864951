/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "parse.h"
#include "quote.h"
#include "xalloc.h"

#define PVE_DIR		"etc/pve"
#define NODES_DIR	PVE_DIR "/nodes"

int cluster_mounted(const struct root *r, struct err *e)
{
	AUTO_STRLIST struct strlist names = { 0 };
	int rc = root_list(r, PVE_DIR, &names, e);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0 && names.n)
		return 0;
	fail(e, -ENOENT, "/" PVE_DIR " is not mounted");
	err_hint(e, "systemctl status pve-cluster");
	return -ENOENT;
}

bool cluster_quorate(const struct root *r)
{
	/* The topmost directory is writable at all times. */
	AUTO_FD int fd = root_openat(r, NODES_DIR, O_RDONLY | O_DIRECTORY, 0);
	struct stat st;

	return fd < 0 || fstat(fd, &st) < 0 || st.st_mode & S_IWUSR;
}

int cluster_fail_quorum(const char *what, struct err *e)
{
	fail(e, -EACCES, "%s: /" PVE_DIR " is read-only, for the cluster has no quorum; nothing was changed", what);
	err_hint(e, "'pvecm status' shows which nodes are missing");
	return -EACCES;
}

int cluster_local_node(const struct root *r, char **node, struct err *e)
{
	static const char nodes[] = "nodes/";
	AUTO_FREE char *target = NULL;
	int rc = root_readlink(r, PVE_DIR "/local", &target, e);

	if (rc < 0) {
		err_hint(e, "systemctl status pve-cluster");
		return rc;
	}

	const char *name = target + strlen(nodes);

	if (strncmp(target, nodes, strlen(nodes)) || !*name || strchr(name, '/'))
		return fail(e, -EINVAL, "the link '/" PVE_DIR "/local' points to %s, which is no node",
			    QUOTED(target));
	*node = xstrdup(name);
	return 0;
}

/* "100.conf" */
static bool read_name(const char *name, unsigned int *vmid)
{
	size_t len = strlen(name), end = strlen(".conf");
	AUTO_FREE char *number = len > end && !strcmp(name + len - end, ".conf") ?
		xstrndup(name, len - end) : NULL;

	return number && parse_vmid(number, vmid) == 0;
}

static int add_guests(const struct root *r, const char *node, const char *dir, bool container,
		      struct cluster_guests *out, struct err *e)
{
	AUTO_FREE char *path = xasprintf(NODES_DIR "/%s/%s", node, dir);
	AUTO_STRLIST struct strlist names = { 0 };
	int rc = root_list(r, path, &names, e);

	/* A node that has left keeps a directory, which need not have both in it. */
	if (rc == -ENOENT || rc == -ENOTDIR) {
		err_clear(e);
		return 0;
	}
	for (size_t i = 0; rc == 0 && i < names.n; i++) {
		unsigned int vmid;

		if (!read_name(names.s[i], &vmid))
			continue;
		struct cluster_guest *g = GROW(out->guests, out->n);

		g->vmid = vmid;
		g->node = xstrdup(node);
		g->container = container;
	}
	return rc;
}

static int by_vmid(const void *a, const void *b)
{
	const struct cluster_guest *x = a, *y = b;

	return (x->vmid > y->vmid) - (x->vmid < y->vmid);
}

int cluster_guests(const struct root *r, struct cluster_guests *out, struct err *e)
{
	AUTO_CLUSTER_GUESTS struct cluster_guests l = { 0 };
	AUTO_STRLIST struct strlist nodes = { 0 };
	int rc = cluster_mounted(r, e);

	if (rc == 0)
		rc = root_list(r, NODES_DIR, &nodes, e);
	for (size_t i = 0; rc == 0 && i < nodes.n; i++) {
		rc = add_guests(r, nodes.s[i], "qemu-server", false, &l, e);
		if (rc == 0)
			rc = add_guests(r, nodes.s[i], "lxc", true, &l, e);
	}
	if (rc < 0)
		return rc;
	if (l.n)
		qsort(l.guests, l.n, sizeof(*l.guests), by_vmid);
	*out = l;
	l = (struct cluster_guests){ 0 };
	return 0;
}

const struct cluster_guest *cluster_guest(const struct cluster_guests *l, unsigned int vmid)
{
	struct cluster_guest key = { .vmid = vmid };

	return l->n ? bsearch(&key, l->guests, l->n, sizeof(key), by_vmid) : NULL;
}

int cluster_vm_node(const struct root *r, unsigned int vmid, char **node, struct err *e)
{
	AUTO_CLUSTER_GUESTS struct cluster_guests l = { 0 };
	int rc = cluster_guests(r, &l, e);

	if (rc < 0)
		return fail_in(e, rc, "look for VM %u", vmid);

	const struct cluster_guest *g = cluster_guest(&l, vmid);

	if (g && !g->container) {
		*node = xstrdup(g->node);
		return 0;
	}
	if (g)
		fail(e, -ENOENT, "%u is no VM but a container, on node %s", vmid, QUOTED(g->node));
	else
		fail(e, -ENOENT, "there is no VM %u in the cluster", vmid);
	err_hint(e, "'pvesh get /cluster/resources --type vm' shows what there is");
	return -ENOENT;
}

void cluster_guests_free(struct cluster_guests *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->guests[i].node);
	free(l->guests);
	*l = (struct cluster_guests){ 0 };
}
