/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * PVE's cluster-wide PCI mappings, /etc/pve/mapping/pci.cfg: what they have for
 * this node, whether qemu-server will take it, and how one is made for vGPUs.
 *
 * An entry names one function. qemu-server tries the entries of a node in
 * turn; one with several paths is one device of several functions, which it
 * refuses together with mdev=. A single entry of the node that disagrees with
 * the hardware makes every start through the mapping fail.
 * Source: pve-guest-common src/PVE/Mapping/PCI.pm; qemu-server
 * src/PVE/QemuServer/PCI.pm, parse_hostpci()
 */
#ifndef MAPPING_H
#define MAPPING_H

#include <stdbool.h>
#include <stddef.h>

#include "bdf.h"
#include "err.h"
#include "root.h"
#include "strlist.h"

#define MAPPING_CFG	"etc/pve/mapping/pci.cfg"

struct mapping_entry {
	char *raw;		/* "id=10de:2235,iommugroup=7,node=pve1,path=0000:e8:00.4,…" */
	bool bad;		/* PVE cannot read it and passes it over: only raw is set */
	char *node;
	char *id;		/* vendor and device */
	char *subsystem_id;	/* or NULL */
	char *iommugroup;	/* or NULL */
	struct strlist paths;	/* addresses as written; without a function they mean all of a device */
};

struct mapping {
	char *id;
	bool mdev;
	bool live_migration;
	struct mapping_entry *entries;
	size_t n;
};

struct mapping_list {
	struct mapping *m;
	size_t n;
};

/* Read the text of pci.cfg. Returns 0, or -EINVAL for a NUL byte. */
int mapping_list_parse(const char *text, size_t len, const char *file,
		       struct mapping_list *out, struct err *e);

/* Read the file; one that is not there has no mappings. Returns 0 or -errno. */
int mapping_list_read(const struct root *r, struct mapping_list *out, struct err *e);

void mapping_list_free(struct mapping_list *l);
#define AUTO_MAPPINGS __attribute__((cleanup(mapping_list_free)))

const struct mapping *mapping_find(const struct mapping_list *l, const char *id);

/* Whether a text can be the id of a mapping (pve-common src/PVE/JSONSchema.pm, pve-configid). */
bool mapping_id_ok(const char *id);

void mapping_entry_parse(const char *raw, struct mapping_entry *out);
void mapping_entry_free(struct mapping_entry *m);

/* Whether an entry names this function and no other. */
bool mapping_entry_is(const struct mapping_entry *m, const struct bdf *fn);

/*
 * The entry that a function must have, from sysfs. The caller frees *raw.
 * Returns 0, or -errno where the function or one of its ids cannot be read.
 */
int mapping_entry_of(const struct root *r, const char *node, const struct bdf *fn, char **raw,
		     struct err *e);

/*
 * What qemu-server would refuse an entry of this node for, as a line without
 * place ("'id' is 10de:2235 there, and 10de:1eb8 in the entry"), or NULL. The
 * caller frees it. mdev is the mapping's flag.
 */
char *mapping_entry_fault(const struct root *r, const struct mapping_entry *m, bool mdev);

/*
 * Append a line for each entry of the node that makes starts through the
 * mapping fail, and one where the mapping cannot serve vGPUs there at all: it
 * has no entry for the node, or no mdev flag.
 */
void mapping_check(const struct root *r, const struct mapping *m, const char *node,
		   struct strlist *faults);

#endif
