/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "config_apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "pve_call.h"
#include "quote.h"
#include "vmproc.h"
#include "xalloc.h"

/* The words of the command, without the program. */
static void words_of(const struct vm_file *vm, const struct config_changes *l, const char *digest,
		     struct strlist *words)
{
	strlist_add(words, "set");
	if (vm->local)
		strlist_take(words, xasprintf("%u", vm->vmid));
	else
		strlist_take(words, xasprintf("/nodes/%s/qemu/%u/config", vm->node, vm->vmid));
	config_words(l, digest, words);
}

/* Whether the config is as it is to be, whoever has made it so. */
static bool is_done(const struct root *r, unsigned int vmid, const struct config_changes *l)
{
	AUTO_VM_FILE struct vm_file now = { 0 };
	bool done = vm_file_read(r, vmid, &now, NULL) == 0;

	for (size_t i = 0; i < l->n && done; i++) {
		AUTO_CHANGES struct config_changes left = { 0 };

		config_want(&left, &now, l->c[i].key, l->c[i].want);
		done = !left.n;
	}
	return done;
}

int config_apply(const struct root *r, const struct vm_file *vm, const struct config_changes *l,
		 struct err *e)
{
	AUTO_STRLIST struct strlist words = { 0 };
	AUTO_ERR struct err why = { 0 };
	int rc;

	/* No tool compares the digest where none is called. */
	if (!l->n)
		return !vm_file_changed(r, vm) ? 0 : fail(e, -ESTALE, "the VM's config was changed meanwhile");
	words_of(vm, l, vm->digest, &words);
	rc = pve_call(r, vm->local ? QM : PVESH, &words, NULL, &why);
	/* The words for it differ from version to version; and one that fails may have done it first. */
	if (rc < 0 && vm_file_changed(r, vm))
		rc = is_done(r, vm->vmid, l) ? 0 : -ESTALE;
	return rc < 0 ? err_move(e, &why, rc) : 0;
}

void config_say_waits(const struct root *r, unsigned int vmid, const struct config_changes *l,
		      bool settings)
{
	AUTO_VM_FILE struct vm_file now = { 0 };
	AUTO_STRLIST struct strlist keys = { 0 };

	/* Read again: a VM of another node waits as well, and PVE knows whether it runs. */
	if ((!l->n && !settings) || vm_file_read(r, vmid, &now, NULL) < 0)
		return;
	for (size_t i = 0; i < l->n; i++)
		if (pending_of(&now.pending, l->c[i].key))
			strlist_add(&keys, l->c[i].key);
	if (keys.n) {
		AUTO_FREE char *list = strlist_join(&keys, ", ");

		printf("vm %u: it runs: %s %s in [PENDING] until its next start\n", vmid, list,
		       keys.n == 1 ? "waits" : "wait");
	} else if (now.local && vm_qemu_pid(r, vmid)) {
		printf("vm %u: it runs: this counts from its next start on\n", vmid);
	}
}

char *config_command(const struct vm_file *vm, const struct config_changes *l)
{
	AUTO_STRLIST struct strlist words = { 0 }, shell = { 0 };

	strlist_add(&shell, vm->local ? "qm" : "pvesh");
	words_of(vm, l, vm->digest, &words);
	for (size_t i = 0; i < words.n; i++) {
		/* The digest is that of a moment. */
		if (!strcmp(words.s[i], "--digest"))
			i++;
		else
			strlist_take(&shell, shell_word(words.s[i]));
	}
	return strlist_join(&shell, " ");
}
