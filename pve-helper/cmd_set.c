/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * `pve-vgpu set`: the intent into the settings, then the VM's config through
 * PVE's tools, in this order. What is cut off between leaves an intent that the
 * config does not know of yet, and the same command again goes on from there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "commands.h"
#include "config_apply.h"
#include "quote.h"
#include "set_job.h"
#include "vmproc.h"
#include "xalloc.h"

/* Looks that may find what others have changed since the look before. */
#define ATTEMPTS	4

static int prepare(struct set_job *j, struct err *e)
{
	int rc = set_read(j, e);

	if (rc == 0)
		rc = set_intent(j, e);
	if (rc == 0)
		rc = set_node(j, e);
	return rc < 0 ? rc : set_config(j, e);
}

/* --- what is said --- */

static void say_mode(const struct set_job *j)
{
	printf("vm %u: mode %s: %s; price: %s\n", j->vm.vmid, vm_mode_name(j->mode.mode), j->mode.why,
	       j->mode.price ? j->mode.price : "none");
}

static void say_intents(const struct set_job *j)
{
	for (size_t i = 0; i < j->vs->n_intents; i++) {
		AUTO_FREE char *choices = strlist_join(&j->vs->intents[i].choices, ", ");

		printf("vm %u: hostpci%u: %s (%s)\n", j->vm.vmid, j->vs->intents[i].index, choices,
		       j->types[i].t[0]->key);
	}
}

static void say_notes(const struct set_job *j)
{
	fflush(stdout);
	for (size_t i = 0; i < j->notes.n; i++)
		fprintf(stderr, "pve-vgpu: vm %u: %s\n", j->vm.vmid, j->notes.s[i]);
}

static struct intent_edit edit_of(const struct set_job *j)
{
	return (struct intent_edit){
		.vmid = j->vm.vmid, .afresh = j->afresh, .s = j->asked.s, .n = j->asked.n,
		.read = j->text, .read_len = j->len,
	};
}

/* What changes in the VM's section. */
static int diff_settings(const struct set_job *j, struct intent_undo *out, struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct intent_edit edit = edit_of(j);
	int rc = intent_edit_text(&edit, j->text, j->len, &text, e);

	if (rc == 0)
		intent_diff(j->text, j->len, text, j->vm.vmid, out);
	return rc;
}

static void say_settings(const struct intent_undo *diff)
{
	for (size_t i = 0; i < diff->n; i++)
		if (diff->k[i].after)
			printf("would write into [vm %u] of /etc/pve/pve-vgpu.conf: %s = %s\n", diff->vmid,
			       diff->k[i].key, diff->k[i].after);
		else
			printf("would take out of [vm %u] in /etc/pve/pve-vgpu.conf: %s = %s\n", diff->vmid,
			       diff->k[i].key, diff->k[i].before);
}

static int say_plan(struct set_job *j, struct err *e)
{
	AUTO_STRLIST struct strlist said = { 0 };
	AUTO_UNDO struct intent_undo diff = { 0 };
	int rc = set_mappings(j, &said, e);

	if (rc == 0)
		rc = diff_settings(j, &diff, e);
	if (rc < 0)
		return rc;
	say_intents(j);
	say_mode(j);
	say_settings(&diff);
	for (size_t i = 0; i < said.n; i++)
		printf("would change %s\n", said.s[i]);
	if (j->changes.n) {
		AUTO_FREE char *command = config_command(&j->vm, &j->changes);

		printf("would run: %s\n", command);
	}
	if (!diff.n && !said.n && !j->changes.n)
		printf("vm %u: nothing to change\n", j->vm.vmid);
	else if (j->vm.local && vm_qemu_pid(&j->c->root, j->vm.vmid))
		printf("vm %u: it runs: this would count from its next start on\n", j->vm.vmid);
	say_notes(j);
	return 0;
}

/* --- what is done --- */

/* What took the intent back, or did not, belongs to the failure. */
static int take_back(const struct set_job *j, const struct intent_undo *undo, int rc, struct err *e)
{
	AUTO_ERR struct err why = { 0 };

	if (!undo->n)
		return rc;
	if (intent_take_back(&j->c->root, undo, &why) < 0) {
		AUTO_FREE char *first = take_ptr(e->msg);

		fail(e, rc, "%s; and [vm %u] in /etc/pve/pve-vgpu.conf, which has the new intent, could not be put back: %s",
		     first, j->vm.vmid, why.msg);
		err_hint(e, "the same command again goes on from there; pve-vgpu unset %u takes it out", j->vm.vmid);
	}
	return rc;
}

/*
 * A line that was right already may be one that PVE cannot read, as with a property
 * that it does not know: then its next write of the config leaves it out. The next
 * look finds it gone, and writes it as PVE wants it.
 * Source: qemu-server src/PVE/QemuServer.pm, parse_vm_config()
 */
static int check_kept(const struct set_job *j, struct err *e)
{
	AUTO_VM_FILE struct vm_file now = { 0 };

	if (!j->changes.n || j->mode.mode != MODE_NATIVE ||
	    vm_file_read(&j->c->root, j->vm.vmid, &now, NULL) < 0)
		return 0;
	for (size_t i = 0; i < j->vs->n_intents; i++) {
		unsigned int index = j->vs->intents[i].index;
		const char *had = j->vm.next.hostpci[index].raw;

		if (now.next.hostpci[index].present || !had)
			continue;
		return fail(e, -ESTALE, "hostpci%u: %s is gone from the VM's config: PVE cannot read it", index,
			    QUOTED(had));
	}
	return 0;
}

static int apply(struct set_job *j, struct intent_undo *undo, struct err *e)
{
	struct intent_edit edit = edit_of(j);
	AUTO_STRLIST struct strlist said = { 0 };
	AUTO_UNDO struct intent_undo diff = { 0 };
	int rc = diff_settings(j, &diff, e);
	bool differ = diff.n;

	if (rc == 0 && differ)
		rc = intent_store(&j->c->root, &edit, undo, e);

	if (rc == 0)
		rc = set_mappings(j, &said, e);
	for (size_t i = 0; i < said.n; i++)
		printf("%s\n", said.s[i]);
	if (rc == 0)
		rc = config_apply(&j->c->root, &j->vm, &j->changes, e);
	if (rc == 0)
		rc = check_kept(j, e);
	if (rc < 0)
		return rc;
	say_intents(j);
	say_mode(j);
	if (!differ && !j->changes.n && !said.n)
		printf("vm %u: nothing to change\n", j->vm.vmid);
	config_say_waits(&j->c->root, j->vm.vmid, &j->changes, differ);
	say_notes(j);
	catalog_save(&j->catalog, &j->c->root, NULL);
	return 0;
}

/* One pass; what was read may be stale by the time it is used. What was written is taken back where it fails. */
static int set_once(struct ctx *c, const struct set_asked *asked, struct err *e)
{
	__attribute__((cleanup(set_job_free))) struct set_job j = { .c = c };
	AUTO_UNDO struct intent_undo undo = { 0 };
	int rc;

	set_asked_copy(&j.asked, asked);
	rc = prepare(&j, e);
	if (rc == 0)
		rc = c->dry_run ? say_plan(&j, e) : apply(&j, &undo, e);
	return rc < 0 ? take_back(&j, &undo, rc, e) : 0;
}

int cmd_set(struct ctx *c, int argc, char *argv[], struct err *e)
{
	AUTO_SET_ASKED struct set_asked asked = { 0 };
	AUTO_ERR struct err why = { 0 };
	int rc = set_options_read(c, argc, argv, &asked, e);

	if (rc < 0)
		return rc;
	rc = -ESTALE;
	for (int i = 0; i < ATTEMPTS && rc == -ESTALE; i++) {
		err_clear(&why);
		rc = set_once(c, &asked, &why);
	}
	if (rc == -ESTALE)
		err_hint(&why, "something keeps changing the VM's config or its settings; nothing of this was kept, try again");
	return rc < 0 ? fail_in(e, err_move(e, &why, rc), "set vm %u", asked.vmid) : 0;
}
