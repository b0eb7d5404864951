/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "vmconf_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cluster.h"
#include "quote.h"
#include "vmconf_pending.h"
#include "xalloc.h"

#define NODE_MAX 253	/* of a host name, RFC 1035 */

static bool is_node_name(const char *s)
{
	size_t len = strlen(s);

	return len && len <= NODE_MAX && *s != '.' &&
		strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.") == len;
}

static int read_at(const struct root *r, const char *path, struct vmconf *out, struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *file = xasprintf("/%s", path);
	size_t len;
	int rc = root_read(r, path, &text, &len, e);

	return rc < 0 ? rc : vmconf_parse(text, len, file, out, e);
}

static int read_next_at(const struct root *r, const char *path, struct vmconf *out, struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *file = xasprintf("/%s", path);
	AUTO_PENDING struct pending waits = { 0 };
	AUTO_VMCONF struct vmconf now = { 0 };
	size_t len;
	int rc = root_read(r, path, &text, &len, e);

	return rc < 0 ? rc : vmconf_parse_all(text, len, file, &now, &waits, out, e);
}

/* What else of the cluster has that number. */
static void hint_guest(const struct root *r, unsigned int vmid, struct err *e)
{
	AUTO_CLUSTER_GUESTS struct cluster_guests l = { 0 };
	const struct cluster_guest *g = cluster_guests(r, &l, NULL) < 0 ? NULL : cluster_guest(&l, vmid);

	if (g && g->container)
		err_hint(e, "%u is no VM but a container, on node %s", vmid, QUOTED(g->node));
	else if (g)
		err_hint(e, "the VM is on node %s: run this there", QUOTED(g->node));
}

static int fail_missing(const struct root *r, unsigned int vmid, const char *there, const char *here,
			struct err *e)
{
	if (there)
		fail(e, -ENOENT, "VM %u has no configuration at '/%s' nor at '/%s'",
		     vmid, there, here);
	else
		fail(e, -ENOENT, "VM %u has no configuration at '/%s'", vmid, here);
	hint_guest(r, vmid, e);
	err_hint(e, "'qm list' shows the VMs of this node, 'systemctl status pve-cluster' whether /etc/pve is there");
	return -ENOENT;
}

int vmconf_read(const struct root *r, unsigned int vmid, const char *migrated_from,
		struct vmconf *out, struct err *e)
{
	AUTO_FREE char *here = xasprintf("etc/pve/qemu-server/%u.conf", vmid);
	AUTO_FREE char *there = NULL;
	int rc = -ENOENT;

	if (migrated_from && *migrated_from) {
		if (!is_node_name(migrated_from))
			return fail(e, -EINVAL, "VM %u migrates from %s, which is no node name",
				    vmid, QUOTED(migrated_from));
		there = xasprintf("etc/pve/nodes/%s/qemu-server/%u.conf", migrated_from, vmid);
		rc = read_at(r, there, out, e);
	}
	if (rc == -ENOENT)
		rc = read_at(r, here, out, e);
	if (rc == -ENOENT)
		return fail_missing(r, vmid, there, here, e);
	if (rc == 0)
		err_clear(e);
	return rc;
}

int vmconf_read_next(const struct root *r, unsigned int vmid, struct vmconf *out, struct err *e)
{
	AUTO_FREE char *here = xasprintf("etc/pve/qemu-server/%u.conf", vmid);
	int rc = read_next_at(r, here, out, e);

	return rc == -ENOENT ? fail_missing(r, vmid, NULL, here, e) : rc;
}
