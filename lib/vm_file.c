/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "vm_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cluster.h"
#include "digest.h"
#include "settings_value.h"
#include "xalloc.h"

static char *path_of(const struct vm_file *f)
{
	return xasprintf("etc/pve/nodes/%s/qemu-server/%u.conf", f->node, f->vmid);
}

static int read_text(const struct root *r, struct vm_file *f, struct err *e)
{
	AUTO_FREE char *path = path_of(f);
	AUTO_FREE char *file = xasprintf("/%s", path);
	AUTO_FREE char *text = NULL;
	size_t len;
	int rc = root_read(r, path, &text, &len, e);

	if (rc < 0)
		return rc;
	f->digest = digest_of(text, len);
	return vmconf_parse_all(text, len, file, &f->conf, &f->pending, &f->next, e);
}

bool vm_file_changed(const struct root *r, const struct vm_file *f)
{
	AUTO_FREE char *path = path_of(f);
	AUTO_FREE char *text = NULL, *digest = NULL;
	size_t len;

	if (root_read(r, path, &text, &len, NULL) < 0)
		return true;
	digest = digest_of(text, len);
	return strcmp(digest, f->digest) != 0;
}

int vm_file_read(const struct root *r, unsigned int vmid, struct vm_file *out, struct err *e)
{
	AUTO_FREE char *local = NULL;
	int rc = cluster_local_node(r, &local, e);

	*out = (struct vm_file){ .vmid = vmid };
	if (rc == 0)
		rc = cluster_vm_node(r, vmid, &out->node, e);
	if (rc == 0) {
		out->local = !strcmp(local, out->node);
		rc = read_text(r, out, e);
	}
	if (rc < 0)
		vm_file_free(out);
	return rc;
}

void vm_file_free(struct vm_file *f)
{
	free(f->node);
	free(f->digest);
	vmconf_free(&f->conf);
	vmconf_free(&f->next);
	pending_free(&f->pending);
	*f = (struct vm_file){ 0 };
}

const char *vm_file_now(const struct vm_file *f, const char *key)
{
	unsigned int index;

	if (!strcmp(key, "hookscript"))
		return f->conf.hookscript;
	if (!strcmp(key, "args"))
		return f->conf.args && *f->conf.args ? f->conf.args : NULL;
	return value_hostpci_key(key, &index) == 0 ? f->conf.hostpci[index].raw : NULL;
}

const char *vm_file_next(const struct vm_file *f, const char *key)
{
	const struct pending_change *p = pending_of(&f->pending, key);

	return p ? p->value : vm_file_now(f, key);
}
