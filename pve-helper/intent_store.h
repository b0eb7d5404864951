/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The intent of one VM in the cluster's settings: changed, and put back where what follows fails. */
#ifndef INTENT_STORE_H
#define INTENT_STORE_H

#include <stdbool.h>

#include "root.h"
#include "settings_edit.h"

struct intent_edit {
	unsigned int vmid;
	bool afresh;		/* what the section has belongs to another VM, or all of it goes */
	const struct setting *s;
	size_t n;
	const char *read;	/* the settings as they were when the edit was planned */
	size_t read_len;
};

/* The text with the edit made; pure. Returns as settings_edit_vm(). */
int intent_edit_text(const struct intent_edit *edit, const char *text, size_t len, char **out,
		     struct err *e);

/* What an edit has changed: for each key its value before and after, NULL where it was or is not there. */
struct intent_undo_key {
	char *key, *before, *after;
};

struct intent_undo {
	unsigned int vmid;
	char *text, *made;	/* all of the settings before and behind the edit; NULL: there were several */
	struct intent_undo_key *k;
	size_t n;
};

/* What differs between two texts in the VM's section; pure. Release with intent_undo_free(). */
void intent_diff(const char *before, size_t len, const char *after, unsigned int vmid,
		 struct intent_undo *out);

/*
 * Make the edit in /etc/pve/pve-vgpu.conf. *undo becomes what takes it back;
 * where it has something already, that is kept, so that it leads back to where the
 * first of several edits began. Nothing is written where nothing changes.
 * Returns as settings_change(); -ESTALE: the VM's section is another one by now
 * than the one that was read, and nothing was changed.
 */
int intent_store(const struct root *r, const struct intent_edit *edit, struct intent_undo *undo,
		 struct err *e);

/*
 * Put back the settings byte for byte, with their comments and order. Where others have
 * changed them since, each key that still has the value that the edit gave it: what they
 * have changed stays as they have it.
 */
int intent_take_back(const struct root *r, const struct intent_undo *undo, struct err *e);

void intent_undo_free(struct intent_undo *u);
#define AUTO_UNDO __attribute__((cleanup(intent_undo_free)))

#endif
