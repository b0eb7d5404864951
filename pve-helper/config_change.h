/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What has to change in a VM's config, and the words for PVE's tools that change it. Pure. */
#ifndef CONFIG_CHANGE_H
#define CONFIG_CHANGE_H

#include <stdbool.h>

#include "vm_file.h"

enum change_kind {
	CHANGE_SET,
	CHANGE_DELETE,
	CHANGE_REVERT,		/* what waits goes, and the value of now stays */
};

struct config_change {
	enum change_kind kind;
	char *key;
	char *want;		/* the value from the next start on, or NULL */
};

struct config_changes {
	struct config_change *c;
	size_t n;
};

/*
 * Have the key with this value from the next start on, NULL: not at all.
 * Appends what that takes, which is nothing where it is so.
 */
void config_want(struct config_changes *l, const struct vm_file *vm, const char *key,
		 const char *value);

/*
 * Whether PVE's tools take each new value as it is: they decode what they are called
 * with, and a character that is not ASCII comes out as another. Returns 0 or -EINVAL.
 * Source: pve-common src/PVE/JSONSchema.pm, get_options()
 */
int config_check(const struct config_changes *l, unsigned int vmid, struct err *e);

/* Append the options: --digest, --<key> <value> …, --delete a,b --revert c. */
void config_words(const struct config_changes *l, const char *digest, struct strlist *words);

void config_changes_free(struct config_changes *l);
#define AUTO_CHANGES __attribute__((cleanup(config_changes_free)))

#endif
