/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * PVE's storages, /etc/pve/storage.cfg, as far as snippets go: which can hold
 * them, where they lie, and which volume is the hookscript.
 * Source: pve-storage src/PVE/Storage/Plugin.pm
 */
#ifndef STORAGE_H
#define STORAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "root.h"
#include "strlist.h"

#define STORAGE_CFG	"etc/pve/storage.cfg"
#define HOOK_PROGRAM	"usr/bin/pve-vgpu"
#define SNIPPET_NAME	"pve-vgpu"	/* of the link to it */

struct storage {
	char *id;
	char *type;			/* "dir", "nfs" */
	char *path;			/* "/var/lib/vz"; NULL: it has no files */
	char *snippets;			/* content-dirs' name of the directory below path, or NULL */
	bool shared;			/* one for all nodes: by its type, or `shared 1` */
	bool disabled;
	struct strlist content;		/* "images", "snippets" */
	struct strlist nodes;		/* where it is; none: everywhere */
};

struct storage_list {
	struct storage *s;		/* in the order of the file; a `local` that is not in it comes first */
	size_t n;
	char *digest;			/* that PVE has of the file */
};

/* Read the text of storage.cfg. Returns 0, or -EINVAL for a NUL byte. */
int storage_list_parse(const char *text, size_t len, const char *file,
		       struct storage_list *out, struct err *e);

/* Read the file. One that is not there is empty. Returns 0 or -errno. */
int storage_list_read(const struct root *r, struct storage_list *out, struct err *e);

void storage_list_free(struct storage_list *l);
#define AUTO_STORAGES __attribute__((cleanup(storage_list_free)))

const struct storage *storage_find(const struct storage_list *l, const char *id);

bool storage_has_snippets(const struct storage *s);

/*
 * Whether it is a directory of one node's own: what is put there no other node
 * sees. Other types than dir and btrfs with files are network file systems.
 */
bool storage_is_local(const struct storage *s);

/* Whether the node has it, and it is switched on. node NULL: the name is not known, and no list of nodes keeps it out. */
bool storage_on_node(const struct storage *s, const char *node);

/* This node's name, which the caller frees; NULL where the cluster file system does not tell. */
char *storage_local_node(const struct root *r);

/* Where snippets lie, "/var/lib/vz/snippets"; the caller frees it. NULL without a path. */
char *storage_snippets_dir(const struct storage *s);

/*
 * The file that a volume "<storage>:snippets/<name>" is, "/var/lib/vz/snippets/x",
 * which the caller frees. Nothing is looked up on disk.
 *
 * Returns 0; -EINVAL: that is no snippet's volume id; -ENOENT: there is no such
 * storage, or it has no files.
 */
int storage_snippet_path(const struct storage_list *l, const char *volid, char **path,
			 struct err *e);

/*
 * What `pvesm status` says of a storage ("active"): the third word of its line.
 * NULL: it has no line. The caller frees it. Pure.
 * Source: pve-storage src/PVE/CLI/pvesm.pm, $print_status
 */
char *storage_status_word(const char *table, const char *id);

/* Whether the path, from the root, is /usr/bin/pve-vgpu itself, or a link that leads there. */
bool snippet_is_ours(const struct root *r, const char *path);

/* The same where no may not stand for "cannot tell". Returns 0; -ENOENT: nothing is there; or another -errno. */
int snippet_tell(const struct root *r, const char *path, bool *ours);

/*
 * The name in a directory of snippets of what leads to us, which the caller
 * frees: the usual one before others. NULL: none.
 */
char *snippet_link_in(const struct root *r, const char *dir);

/*
 * The volume that is our hookscript on this node: a snippet in a local storage
 * that leads to /usr/bin/pve-vgpu, `local` before others and the name
 * "pve-vgpu" before others. The caller frees *volid.
 *
 * Returns 0; -ENOENT where there is none, with the command that makes one; or -errno.
 */
int snippet_volume(const struct root *r, char **volid, struct err *e);

#endif
