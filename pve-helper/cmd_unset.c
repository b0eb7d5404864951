/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * `pve-vgpu unset`: the VM's config as it was, then the intent out of the
 * settings, in this order: what is cut off between leaves an intent whose config
 * is gone, and the same command again goes on from there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args_carried.h"
#include "args_unit.h"
#include "cleanup.h"
#include "cluster.h"
#include "commands.h"
#include "config_apply.h"
#include "hookscript.h"
#include "identity.h"
#include "options.h"
#include "parse.h"
#include "quote.h"
#include "set_job.h"
#include "settings_file.h"
#include "storage.h"
#include "xalloc.h"

/* Looks that may find what others have changed since the look before. */
#define ATTEMPTS	4

struct unset {
	struct ctx *c;
	unsigned int vmid;
	bool one;			/* index alone */
	unsigned int index;
	struct vm_file vm;
	bool gone;			/* the cluster has no such VM */
	char *text;			/* of the settings as they are */
	size_t len;
	struct settings settings;
	const struct vm_settings *vs;	/* the VM's section, or NULL */
	bool foreign;			/* the section was another VM's, of the same vmid */
	bool last;			/* no intent is left after it */
	struct set_asked keys;		/* of the section, to go */
	struct config_changes changes;
	struct strlist notes;
};

static void unset_free(struct unset *u)
{
	vm_file_free(&u->vm);
	settings_free(&u->settings);
	free(u->text);
	set_asked_free(&u->keys);
	config_changes_free(&u->changes);
	strlist_free(&u->notes);
}

static bool goes(const struct unset *u, unsigned int index)
{
	return !u->one || index == u->index;
}

static int read_intent(struct unset *u, struct err *e)
{
	int rc = settings_read_text(&u->c->root, &u->text, &u->len, &u->settings, e);

	if (rc == 0)
		rc = settings_vm(&u->settings, u->vmid, &u->vs, e);
	if (rc < 0)
		return rc;
	/* A section without any intent goes, too. */
	u->vs = settings_section(&u->settings, u->vmid);
	u->last = true;
	for (size_t i = 0; u->vs && i < u->vs->n_intents; i++)
		u->last &= goes(u, u->vs->intents[i].index);
	return 0;
}

static int check_vm(struct unset *u, struct err *e)
{
	u->foreign = u->vs && !identity_matches(u->vs->identity, &u->vm.next);
	if (u->foreign)
		strlist_take(&u->notes, xasprintf("the section [vm %u] was that of another VM (%s): nothing of it is put back into this one's config",
						  u->vmid, u->vs->identity));
	if (!u->vm.conf.lock)
		return 0;
	fail(e, -EBUSY, "its config is locked (%s): PVE is at work on it", QUOTED(u->vm.conf.lock));
	err_hint(e, "try again when that is done; if nothing is at work any more: qm unlock %u", u->vmid);
	return -EBUSY;
}

/*
 * The config is read before the settings, for `set` writes them the other way
 * round: of one that comes between, the config's digest tells.
 */
static int read_all(struct unset *u, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	int vm = vm_file_read(&u->c->root, u->vmid, &u->vm, &why);
	int rc = vm == -ENOENT ? cluster_mounted(&u->c->root, e) : 0;

	if (rc == 0)
		rc = read_intent(u, e);
	if (rc < 0)
		return rc;
	u->gone = vm == -ENOENT && u->vs;
	if (vm < 0 && !u->gone)
		return err_move(e, &why, vm);
	if (!u->c->dry_run && !cluster_quorate(&u->c->root))
		return cluster_fail_quorum("change the VM's config and the settings", e);
	return u->gone ? 0 : check_vm(u, e);
}

/* hostpci<N>: what stood there before `set`, or nothing. Another device that took the slot since stays. */
static void want_line(struct unset *u, unsigned int index, const char *was)
{
	AUTO_FREE char *key = xasprintf("hostpci%u", index);
	const char *has = vm_file_next(&u->vm, key);
	struct hostpci line;
	bool vgpu;

	hostpci_parse(has ? has : "", &line);
	vgpu = !has || (!line.bad && line.mdev);
	hostpci_free(&line);
	/* A line beside our unit is no `set`'s: it has never put both there. */
	if (has && vgpu && args_unit_there(vm_file_next(&u->vm, "args"), u->vmid, index))
		strlist_take(&u->notes, xasprintf("%s: %s stays: somebody has put it there since%s%s", key, QUOTED(has),
						  was ? ", and what was there before is not brought back: " : "",
						  was ? was : ""));
	else if (vgpu)
		config_want(&u->changes, &u->vm, key, was);
	else
		strlist_take(&u->notes, xasprintf("%s: %s stays: it is no vGPU%s%s", key, QUOTED(has),
						  was ? ", and what was there before is not brought back: " : "",
						  was ? was : ""));
}

/* Words of the admin's own: without the intent no start is let through with them. */
static void note_left(struct unset *u, const char *args)
{
	for (unsigned int i = 0; args && i < SETTINGS_HOSTPCI_MAX; i++) {
		char uuid[UUID_TEXT_LEN];

		vgpu_pve_uuid(u->vmid, i, uuid);
		if (goes(u, i) && strstr(args, uuid))
			strlist_take(&u->notes, xasprintf("args still name the vGPU of hostpci%u, in words that are not pve-vgpu's: take "
							  "them out with qm set %u --args …", i, u->vmid));
	}
}

/* The args keep the units of the indices that stay, as they are. */
static int want_args(struct unset *u, struct err *e)
{
	AUTO_FREE char *own = NULL, *args = NULL;
	int rc = args_drop_carried(&u->settings, u->vmid, vm_file_next(&u->vm, "args"), &own, &u->notes, e);

	if (rc < 0)
		return rc;
	if (!args_may_have_unit(own, u->vmid))
		args = take_ptr(own);
	else if (u->last)
		rc = args_units_write(own, u->vmid, NULL, 0, NULL, &args, e);
	else
		rc = args_unit_remove(own, u->vmid, u->index, &args, e);
	if (rc < 0)
		return rc;
	config_want(&u->changes, &u->vm, "args", args);
	note_left(u, args);
	return 0;
}

/* The hookscript that was there before, or NULL: none, or PVE would refuse it by now. */
static int former_hookscript(struct unset *u, const char **volid, struct err *e)
{
	const char *before = u->vs && !u->foreign ? u->vs->next_hook : NULL;
	AUTO_ERR struct err why = { 0 };
	int rc;

	*volid = before;
	/* What a VM of another node can call is known there. */
	if (!before || !u->vm.local)
		return 0;
	rc = hookscript_callable(&u->c->root, before, &why);
	if (rc == -ENOENT || rc == -EACCES || rc == -EINVAL) {
		*volid = NULL;
		strlist_take(&u->notes, xasprintf("the hookscript that was there before, %s, is not brought back: %s",
						  QUOTED(before), why.msg));
		return 0;
	}
	if (rc < 0) {
		fail(e, rc, "the hookscript that was there before, %s, is not known to be there: %s", QUOTED(before), why.msg);
		err_hint(e, "put it right, or take next-hook out of [vm %u] in /etc/pve/pve-vgpu.conf", u->vmid);
	}
	return rc;
}

/* Ours gives way to what was there before; one that somebody has put there since stays. */
static int want_hookscript(struct unset *u, struct err *e)
{
	const struct root *r = &u->c->root;
	const char *has = vm_file_next(&u->vm, "hookscript");
	const char *before = NULL;
	enum hookscript whose;
	int rc = hookscript_whose(r, u->vmid, has, &whose, e);

	if (rc == 0 && whose != HOOKSCRIPT_OTHER)
		rc = former_hookscript(u, &before, e);
	if (rc < 0)
		return rc;
	if (whose != HOOKSCRIPT_OTHER)
		config_want(&u->changes, &u->vm, "hookscript", before);
	else if (u->vs && !strcmp(path_base(has), SNIPPET_NAME))
		strlist_take(&u->notes, xasprintf("its hookscript %s stays: it is no link to /" HOOK_PROGRAM " of this node; to take it out: "
						  "qm set %u --delete hookscript", QUOTED(has), u->vmid));
	return 0;
}

static int plan_config(struct unset *u, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; u->vs && !u->foreign && i < u->vs->n_intents; i++) {
		unsigned int index = u->vs->intents[i].index;

		if (goes(u, index))
			want_line(u, index, u->vs->was[index]);
	}
	if (u->last)
		rc = want_hookscript(u, e);
	if (rc == 0)
		rc = want_args(u, e);
	return rc < 0 ? rc : config_check(&u->changes, u->vmid, e);
}

static void drop_key(struct unset *u, const char *name, unsigned int index)
{
	AUTO_FREE char *key = xasprintf("%s%u", name, index);

	set_asked_add(&u->keys, key, NULL);
}

static void plan_settings(struct unset *u)
{
	if (!u->vs || u->last)
		return;
	drop_key(u, "hostpci", u->index);
	drop_key(u, "was-hostpci", u->index);
	if (u->vs->x_vga == (int)u->index)
		set_asked_add(&u->keys, "x-vga", NULL);
}

static void say_notes(const struct unset *u)
{
	fflush(stdout);
	for (size_t i = 0; i < u->notes.n; i++)
		fprintf(stderr, "pve-vgpu: vm %u: %s\n", u->vmid, u->notes.s[i]);
}

static void say_plan(const struct unset *u)
{
	if (u->changes.n) {
		AUTO_FREE char *command = config_command(&u->vm, &u->changes);

		printf("would run: %s\n", command);
	}
	if (u->vs && u->last)
		printf("would take section [vm %u] out of /etc/pve/pve-vgpu.conf\n", u->vmid);
	else if (u->vs)
		printf("would take hostpci%u out of [vm %u] in /etc/pve/pve-vgpu.conf\n", u->index, u->vmid);
	else if (!u->changes.n)
		printf("vm %u: nothing to change\n", u->vmid);
}

static bool brings_back(const struct unset *u)
{
	bool any = u->vs && u->vs->next_hook;

	for (size_t i = 0; u->vs && i < SETTINGS_HOSTPCI_MAX; i++)
		any |= u->vs->was[i] != NULL;
	return any;
}

static int apply(struct unset *u, struct err *e)
{
	struct intent_edit edit = {
		.vmid = u->vmid, .afresh = u->last, .s = u->keys.s, .n = u->keys.n,
		.read = u->text, .read_len = u->len,
	};
	AUTO_UNDO struct intent_undo undo = { 0 };
	int rc = u->gone ? 0 : config_apply(&u->c->root, &u->vm, &u->changes, e);

	if (rc < 0 && rc != -ESTALE && brings_back(u))
		err_hint(e, "what it is to bring back stands in [vm %u] of /etc/pve/pve-vgpu.conf, as was-hostpci<N> and next-hook: take out "
			 "there what PVE does not take any more", u->vmid);
	if (rc == 0 && u->vs)
		rc = intent_store(&u->c->root, &edit, &undo, e);
	if (rc < 0)
		return rc;
	if (!u->vs && !u->changes.n)
		printf("vm %u: nothing to change\n", u->vmid);
	else if (u->last)
		printf("vm %u: has no vGPU of pve-vgpu any more%s\n", u->vmid,
		       u->gone ? "; the VM itself is gone" : "");
	else
		printf("vm %u: hostpci%u is no vGPU any more\n", u->vmid, u->index);
	if (!u->gone)
		config_say_waits(&u->c->root, u->vmid, &u->changes, u->vs);
	return 0;
}

static int unset_once(struct ctx *c, const struct unset *asked, struct err *e)
{
	__attribute__((cleanup(unset_free))) struct unset u = {
		.c = c, .vmid = asked->vmid, .one = asked->one, .index = asked->index,
	};
	int rc = read_all(&u, e);

	if (rc < 0)
		return rc;
	if (u.one && !(u.vs && settings_has_intent(&u.settings, u.vmid, u.index))) {
		fail(e, -ENOENT, "[vm %u] in /etc/pve/pve-vgpu.conf has no hostpci%u", u.vmid, u.index);
		err_hint(e, "pve-vgpu show %u tells what the VM is to get", u.vmid);
		return -ENOENT;
	}
	rc = u.gone ? 0 : plan_config(&u, e);
	if (rc < 0)
		return rc;
	plan_settings(&u);
	if (c->dry_run)
		say_plan(&u);
	else
		rc = apply(&u, e);
	if (rc == 0)
		say_notes(&u);
	return rc;
}

enum { OPT_INDEX = 512 };

static void set_option(void *arg, int val, const char *value)
{
	const char **index = arg;

	if (val == OPT_INDEX)
		*index = value;
}

int cmd_unset(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option longopts[] = {
		{ "index", required_argument, NULL, OPT_INDEX },
		{ NULL, 0, NULL, 0 },
	};
	const char *index = NULL;
	const struct option_set set = {
		.longopts = longopts, .dry_run = true, .set = set_option, .arg = &index,
	};
	struct unset u = { 0 };
	unsigned long n = 0;
	AUTO_ERR struct err why = { 0 };
	int rc = options_count(options_read(c, argc, argv, &set, e), 1, 1, "<vmid>", e);

	if (rc == 0)
		rc = options_vmid(argv[0], &u.vmid, e);
	if (rc < 0)
		return rc;
	if (index && parse_ulong(index, 0, SETTINGS_HOSTPCI_MAX - 1, &n) < 0)
		return fail(e, RC_USAGE, "--index %s is no number from 0 to %d", QUOTED(index),
			    SETTINGS_HOSTPCI_MAX - 1);
	u.one = index;
	u.index = (unsigned int)n;
	rc = -ESTALE;
	for (int i = 0; i < ATTEMPTS && rc == -ESTALE; i++) {
		err_clear(&why);
		rc = unset_once(c, &u, &why);
	}
	if (rc == -ESTALE)
		err_hint(&why, "something keeps changing the VM's config or its settings; try again");
	return rc < 0 ? fail_in(e, err_move(e, &why, rc), "unset vm %u", u.vmid) : 0;
}
