/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The hookscript as a snippet of this node: where it can lie, where it lies,
 * and the link made and removed. Only storages of the node's own are used: in
 * a shared one every node would have the link, also those without pve-vgpu.
 */
#ifndef SNIPPET_H
#define SNIPPET_H

#include "storage.h"

enum snippet_link {
	SNIPPET_NONE,
	SNIPPET_OURS,
	SNIPPET_FOREIGN,	/* something else has the name */
};

/* A storage with files on this node. */
struct snippet_place {
	const struct storage *storage;
	char *volid;			/* of the link, or of where it would be */
	char *path;
	enum snippet_link link;
	unsigned int *vms;		/* of this node, with volid as their hookscript */
	size_t nvms;
};

/* A hookscript that leads to us, in whatever storage, and the VMs of this node that have it. */
struct snippet_use {
	char *volid;
	unsigned int *vms;
	size_t nvms;
};

struct snippet_places {
	struct storage_list storages;
	struct snippet_place *p;
	size_t n;
	struct snippet_use *uses;
	size_t nuses;
	struct strlist lost;		/* VMs whose hookscript is a link of ours that is not there, a line each */
	struct strlist unread;		/* VMs whose config could not be read, a line each */
};

/* All of that. Returns 0 or -errno. Release with snippet_places_free(). */
int snippet_look(const struct root *r, struct snippet_places *out, struct err *e);
void snippet_places_free(struct snippet_places *l);
#define AUTO_PLACES __attribute__((cleanup(snippet_places_free)))

/*
 * Link the hookscript into a storage: the one that is asked for; else where it
 * is already; else `local` if it holds snippets, else the first one that does.
 *
 * @storage: its id, or NULL
 * @enable: let the storage hold snippets, where it does not
 * @said: what is done, or would be, is appended as lines
 *
 * Returns 0 and *volid, the caller's; -ENOENT: no storage can hold it, or not
 * that one; -EEXIST: another file has the name; -EIO and more where a tool fails.
 */
int snippet_install(const struct root *r, const char *storage, bool enable, bool dry_run,
		    char **volid, struct strlist *said, struct err *e);

/*
 * Remove our links from the node's own storages, or from the one that is asked
 * for. Refused, and then none goes, while a VM of this node has one of them as
 * its hookscript; with @storage NULL also for VMs that have us as theirs through
 * any other storage: the package is removed behind this. On a machine without
 * PVE there are no VMs.
 *
 * Returns 0; -EBUSY: such VMs, all of which the message names; -EIO: a VM's
 * config could not be read; -ENOENT: no such storage, or /etc/pve is not mounted.
 */
int snippet_remove(const struct root *r, const char *storage, bool dry_run, struct strlist *said,
		   struct err *e);

#endif
