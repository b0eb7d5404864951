/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "intent.h"
#include "mode.h"
#include "names.h"
#include "quote.h"
#include "show.h"
#include "xalloc.h"

static void take_problem(struct show_vm *vm, enum show_about about, char *what, char *mend)
{
	struct show_problem *p = GROW(vm->problems, vm->nproblems);

	p->about = about;
	p->what = what;
	p->mend = mend;
}

/* A refusal as the hook has it, with its hint. */
static void take_failure(struct show_vm *vm, enum show_about about, struct err *e)
{
	take_problem(vm, about, take_ptr(e->msg), take_ptr(e->hint));
	err_clear(e);
}

/* The command that writes the VM's config as its intents are; NULL: there are none. */
static char *set_command(const struct show_vm *vm, const struct vm_intent *in)
{
	if (!in && vm->vs && vm->vs->n_intents)
		in = &vm->vs->intents[0];
	return in ? mode_set_command(vm->vs, in) : NULL;
}

/* Settings that stop the VM. */
static void check_settings(const struct show *s, struct show_vm *vm)
{
	AUTO_ERR struct err e = { 0 };
	const struct vm_settings *vs;

	if (settings_vm(&s->settings, vm->vmid, &vs, &e) == 0)
		return;
	err_hint(&e, "mend that line in /etc/pve/pve-vgpu.conf");
	take_failure(vm, SHOW_SETTINGS, &e);
}

static void check_gone(const struct show *s, struct show_vm *vm)
{
	const struct cluster_guest *g = cluster_guest(&s->guests, vm->vmid);
	bool quorate = cluster_quorate(&s->c->root);

	take_problem(vm, SHOW_GONE, g ? xasprintf("the VM is gone: %u is a container now, on node '%s'", vm->vmid, g->node) :
			     xasprintf("the VM is gone: no node of the cluster has a VM %u", vm->vmid),
		     xstrdup(quorate ? "pve-vgpu gc" : "pve-vgpu gc, once the cluster has quorum ('pvecm status')"));
}

/* Whether a start needs the hookscript: what qemu-server makes and attaches alone does not. */
static bool needs_hook(const struct show_vm *vm)
{
	for (size_t i = 0; i < vm->nslots; i++)
		if (vm->slots[i].intent &&
		    (attach_mode(vm->slots[i].how) != MODE_NATIVE || vm->vs->params))
			return true;
	return false;
}

static void check_hook(struct show_vm *vm)
{
	if (!needs_hook(vm))
		return;
	if (vm->hook == HOOK_NONE)
		take_problem(vm, SHOW_HOOK, xstrdup("the VM has no hookscript, so a start makes no vGPU for it"),
			     set_command(vm, NULL));
	else if (vm->hook == HOOK_OTHER)
		take_problem(vm, SHOW_HOOK, xasprintf("the VM's hookscript %s is not pve-vgpu, so a start makes no vGPU for it",
					   QUOTED(vm->conf.hookscript)), set_command(vm, NULL));
}

static void check_mapping(const struct show *s, struct show_vm *vm, const struct show_slot *slot)
{
	const char *id = vm->conf.hostpci[slot->index].mapping;
	const struct mapping *m = mapping_find(&s->mappings, id);
	AUTO_STRLIST struct strlist faults = { 0 };

	if (!m)
		strlist_take(&faults, xstrdup("there is no such mapping"));
	else if (vm->here && s->devices)
		mapping_check(&s->c->root, m, vm->node, &faults);
	for (size_t i = 0; i < faults.n; i++)
		take_problem(vm, SHOW_CONFIG, xasprintf("hostpci%u: mapping %s: %s", slot->index, QUOTED(id), faults.s[i]),
			     set_command(vm, slot->intent));
}

/* What a start would refuse of one intent, or not do. */
static void check_attached(const struct show *s, struct show_vm *vm, const struct show_slot *slot)
{
	AUTO_ERR struct err e = { 0 };
	AUTO_STRLIST struct strlist lost = { 0 };
	enum attach how;
	int rc = mode_attach(&s->c->root, vm->vs, &vm->conf, slot->intent, &how, &e);

	/* -ENODEV: this node lacks the wrapper, and the VM's own may have it. */
	if (rc < 0 && (rc != -ENODEV || vm->here)) {
		fail_in(&e, rc, "hostpci%u", slot->index);
		take_failure(vm, SHOW_CONFIG, &e);
		return;
	}
	if (slot->how == ATTACH_NONE)
		take_problem(vm, SHOW_CONFIG, xasprintf("hostpci%u: nothing in the VM's config attaches this vGPU", slot->index),
			     set_command(vm, slot->intent));
	if (slot->how == ATTACH_MAPPING)
		check_mapping(s, vm, slot);
	mode_note_lost(vm->vs, &vm->conf, slot->intent, slot->how, &lost);
	for (size_t i = 0; i < lost.n; i++)
		take_problem(vm, SHOW_LOST, xstrdup(lost.s[i]), NULL);
}

/* Whether what it has is one of its choices, as far as the type's names are known. */
static bool is_wanted(const struct show *s, const struct show_slot *slot)
{
	const struct vgpu_type *t = catalog_type(&s->catalog, slot->has->type);

	for (size_t i = 0; t && i < slot->intent->choices.n; i++)
		if (name_matches(slot->intent->choices.s[i], t))
			return true;
	return !t;
}

static void check_has(const struct show *s, struct show_vm *vm, const struct show_slot *slot)
{
	const struct vgpu *v = slot->has;
	const char *name = v->name ? v->name : v->type;

	if (slot->intent && !is_wanted(s, slot))
		take_problem(vm, SHOW_HAS,
			     xasprintf("hostpci%u: it has a %s from before; what it is to get comes with its next start",
				       slot->index, name),
			     vm->qemu ? xasprintf("qm reboot %u", vm->vmid) : NULL);
	if (vm->qemu && !slot->there && s->devices)
		take_problem(vm, SHOW_HAS, xasprintf("hostpci%u: the VM runs, and its %s on %s is not there",
					   slot->index, name, v->parent_name),
			     xasprintf("qm stop %u && qm start %u; `dmesg` may tell why", vm->vmid, vm->vmid));
	if (!slot->intent)
		take_problem(vm, SHOW_HAS, xasprintf("hostpci%u: it has a %s on %s, and no intent for it any more",
					   slot->index, name, v->parent_name),
			     vm->qemu ? NULL : xstrdup("pve-vgpu gc"));
}

/* What the VM's own configuration refuses a start for. */
static void check_conf(const struct show *s, struct show_vm *vm)
{
	AUTO_ERR struct err e = { 0 };

	if (vm->vs && vm->vs->n_intents && intent_check_identity(vm->vs, &vm->conf, &e) < 0)
		take_failure(vm, SHOW_IDENTITY, &e);
	if (intent_check_carried(s->c, &s->settings, vm->vmid, &vm->conf, &e) < 0)
		take_failure(vm, SHOW_CARRIED, &e);
	check_hook(vm);
	for (size_t i = 0; i < vm->nslots; i++)
		if (vm->slots[i].intent)
			check_attached(s, vm, &vm->slots[i]);
}

void show_check(const struct show *s, struct show_vm *vm)
{
	check_settings(s, vm);
	if (!vm->node)
		check_gone(s, vm);
	/* A template is never started. */
	if (vm->has_conf && !vm->conf.template)
		check_conf(s, vm);
	for (size_t i = 0; i < vm->nslots; i++)
		if (vm->slots[i].has)
			check_has(s, vm, &vm->slots[i]);
}
