/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "framework.h"
#include "identity.h"
#include "pci_tree.h"
#include "release.h"
#include "scan.h"
#include "settings_file.h"
#include "xalloc.h"

static void vm_free(struct show_vm *vm)
{
	vmconf_free(&vm->conf);
	pending_free(&vm->pending);
	runstate_free(&vm->state);
	for (size_t i = 0; i < vm->nproblems; i++) {
		free(vm->problems[i].what);
		free(vm->problems[i].mend);
	}
	free(vm->problems);
	free(vm->slots);
}

void show_free(struct show *s)
{
	for (size_t i = 0; i < s->n; i++)
		vm_free(&s->vms[i]);
	free(s->vms);
	inventory_free(&s->taken);
	vfio_users_free(&s->users);
	catalog_free(&s->catalog);
	mapping_list_free(&s->mappings);
	storage_list_free(&s->storages);
	free(s->node);
	cluster_guests_free(&s->guests);
	settings_free(&s->settings);
}

static void add_problem(struct show_vm *vm, const struct err *e)
{
	struct show_problem *p = GROW(vm->problems, vm->nproblems);

	p->what = xstrdup(e->msg);
	p->mend = e->hint ? xstrdup(e->hint) : NULL;
}

/* --- the config --- */

/* What a start refuses or does follows from the config that it will have. */
static void read_next(struct show_vm *vm, const char *file, const char *text, size_t len)
{
	AUTO_FREE char *next = pending_apply(&vm->pending, text, len);

	vmconf_free(&vm->conf);
	vmconf_parse(next, strlen(next), file, &vm->conf, NULL);
}

static void read_conf(const struct show *s, struct show_vm *vm)
{
	AUTO_FREE char *path = xasprintf("etc/pve/nodes/%s/qemu-server/%u.conf", vm->node, vm->vmid);
	AUTO_FREE char *file = xasprintf("/%s", path);
	AUTO_FREE char *text = NULL;
	AUTO_ERR struct err e = { 0 };
	size_t len;
	int rc = root_read(&s->c->root, path, &text, &len, &e);

	/* A NUL ends the text below, and must be told before. */
	if (rc == 0)
		rc = vmconf_parse(text, len, file, &vm->conf, &e);
	if (rc < 0) {
		add_problem(vm, &e);
		return;
	}
	pending_parse(text, len, &vm->pending);
	if (vm->pending.n)
		read_next(vm, file, text, len);
	vm->has_conf = true;
}

static enum show_identity identity_state(const struct show_vm *vm)
{
	if (!vm->vs || !vm->vs->identity)
		return IDENTITY_NONE;
	if (!vm->has_conf)
		return IDENTITY_UNKNOWN;
	return identity_matches(vm->vs->identity, &vm->conf) ? IDENTITY_MATCHES : IDENTITY_DIFFERS;
}

/* On another node there is no looking at the file: the name that is ours there too has to do. */
static enum show_hook hook_state(const struct show *s, struct show_vm *vm)
{
	const char *volume = vm->conf.hookscript;
	AUTO_FREE char *path = NULL;
	AUTO_ERR struct err e = { 0 };

	if (!volume)
		return HOOK_NONE;
	if (storage_snippet_path(&s->storages, volume, &path, &e) < 0) {
		fail_in(&e, -ENOENT, "hookscript '%s'", volume);
		add_problem(vm, &e);
		return HOOK_UNKNOWN;
	}
	if (!vm->here)
		return !strcmp(path_base(path), SNIPPET_NAME) ? HOOK_OURS : HOOK_UNKNOWN;
	return snippet_is_ours(&s->c->root, path) ? HOOK_OURS : HOOK_OTHER;
}

static enum attach how_attached(const struct show_vm *vm, unsigned int index)
{
	enum attach how = vm->has_conf ? attach_kind(&vm->conf, vm->vmid, index) : ATTACH_NONE;

	return how == ATTACH_NONE && vm->vs && vm->vs->mode == MODE_WRAPPER ? ATTACH_WRAPPER : how;
}

/* --- what it has --- */

static void read_state(const struct show *s, struct show_vm *vm)
{
	AUTO_ERR struct err e = { 0 };
	int rc = runstate_read(&s->c->root, vm->vmid, &vm->state, &e);

	if (rc < 0 && rc != -ENOENT) {
		err_hint(&e, "the VM's next start and `pve-vgpu gc` clear what it has left");
		add_problem(vm, &e);
	}
	vm->qemu = vm_qemu_pid(&s->c->root, vm->vmid);
}

static void look_at(const struct show *s, struct show_slot *slot)
{
	AUTO_STRLIST struct strlist names = { 0 };

	if (!slot->has || release_never_begun(slot->has))
		return;
	slot->there = framework_ops(slot->has->framework)->present(&s->c->root, slot->has, NULL) > 0;
	if (!slot->there || !s->users.n)
		return;
	vgpu_vfio_names(&s->c->root, slot->has, &names);
	slot->in_use = vfio_user_of(&s->users, &names);
}

static const struct vm_intent *intent_of(const struct show_vm *vm, unsigned int index)
{
	for (size_t i = 0; vm->vs && i < vm->vs->n_intents; i++)
		if (vm->vs->intents[i].index == index)
			return &vm->vs->intents[i];
	return NULL;
}

static void add_slots(const struct show *s, struct show_vm *vm)
{
	for (unsigned int i = 0; i < SETTINGS_HOSTPCI_MAX; i++) {
		const struct vm_intent *intent = intent_of(vm, i);
		const struct vgpu *has = runstate_index(&vm->state, i);

		if (!intent && !has)
			continue;
		struct show_slot *slot = GROW(vm->slots, vm->nslots);

		*slot = (struct show_slot){ .index = i, .intent = intent, .has = has };
		slot->how = how_attached(vm, i);
		look_at(s, slot);
	}
}

/* --- what qemu-server has made --- */

/* What is on the node, once, where a VM that runs has something to get and no record of it. */
static void read_taken(struct show *s)
{
	AUTO_ERR struct err e = { 0 };
	const struct root *r = &s->c->root;

	if (s->has_taken)
		return;
	s->has_taken = true;
	if (scan_gpus(r, &s->catalog, &s->taken, &e) < 0 || scan_all(r, &s->catalog, &s->taken, &e) < 0)
		fprintf(stderr, "pve-vgpu: %s\n", e.msg);
	scan_unseen(r, &s->catalog, &s->taken);
}

static bool is_had(const struct show_vm *vm, const struct vgpu *v)
{
	for (size_t i = 0; i < vm->nslots; i++)
		if (vm->slots[i].has == v)
			return true;
	return false;
}

/* PVE's reservation of a vendor VF does not tell the index: the type of the line does, and the order where that has changed. */
static bool is_slots(const struct show_vm *vm, const struct show_slot *slot, const struct vgpu *v, bool by_type)
{
	const char *mdev = vm->conf.hostpci[slot->index].mdev;

	if (v->framework == FRAMEWORK_MDEV)
		return v->index == slot->index;
	return !by_type || (mdev && !strcmp(v->type, mdev));
}

static const struct vgpu *made_by_pve(const struct show *s, const struct show_vm *vm,
				      const struct show_slot *slot, bool by_type)
{
	for (size_t i = 0; i < s->taken.nvgpus; i++) {
		const struct vgpu *v = &s->taken.vgpus[i];

		if (v->owner == OWNER_PVE && v->vmid == vm->vmid && v->exists && v->type &&
		    !is_had(vm, v) && is_slots(vm, slot, v, by_type))
			return v;
	}
	return NULL;
}

static void add_made_by_pve(struct show *s, struct show_vm *vm, bool by_type)
{
	for (size_t i = 0; vm->qemu && i < vm->nslots; i++) {
		struct show_slot *slot = &vm->slots[i];

		if (slot->has)
			continue;
		read_taken(s);
		slot->has = made_by_pve(s, vm, slot, by_type);
		look_at(s, slot);
	}
}

/* --- all of it --- */

static const struct vm_settings *section_of(const struct settings *s, unsigned int vmid)
{
	for (size_t i = 0; i < s->n_vms; i++)
		if (s->vms[i].vmid == vmid)
			return &s->vms[i];
	return NULL;
}

static void add_vm(struct show *s, unsigned int vmid)
{
	const struct cluster_guest *g = cluster_guest(&s->guests, vmid);
	struct show_vm *vm = GROW(s->vms, s->n);

	vm->vmid = vmid;
	vm->vs = section_of(&s->settings, vmid);
	if (g && !g->container) {
		vm->node = g->node;
		vm->here = s->node && !strcmp(s->node, g->node);
		read_conf(s, vm);
		vm->hook = hook_state(s, vm);
	}
	vm->identity = identity_state(vm);
	/* What a VM that is gone has left is on the node where it was. */
	if (vm->here || !vm->node)
		read_state(s, vm);
	add_slots(s, vm);
	add_made_by_pve(s, vm, true);
	add_made_by_pve(s, vm, false);
	show_check(s, vm);
}

static int by_vmid(const void *a, const void *b)
{
	const struct show_vm *x = a, *y = b;

	return (x->vmid > y->vmid) - (x->vmid < y->vmid);
}

static int add_asked(struct show *s, unsigned int vmid, struct err *e)
{
	const struct cluster_guest *g = cluster_guest(&s->guests, vmid);
	AUTO_FREE char *node = NULL;

	if ((!g || g->container) && !section_of(&s->settings, vmid))
		return cluster_vm_node(&s->c->root, vmid, &node, e);
	add_vm(s, vmid);
	return 0;
}

/* Storages and mappings that cannot be read are missed where a VM needs them. */
static void read_around(struct show *s)
{
	AUTO_ERR struct err e = { 0 };

	if (storage_list_read(&s->c->root, &s->storages, &e) < 0 ||
	    mapping_list_read(&s->c->root, &s->mappings, &e) < 0)
		fprintf(stderr, "pve-vgpu: %s\n", e.msg);
	catalog_load(&s->catalog, &s->c->root);
	vfio_users_read(&s->c->root, &s->users);
	s->devices = pci_shown(&s->c->root, NULL) == 0;
}

int show_gather(struct ctx *c, unsigned int vmid, struct show *out, struct err *e)
{
	int rc;

	*out = (struct show){ .c = c };
	rc = settings_read(&c->root, &out->settings, e);
	if (rc == 0)
		rc = cluster_guests(&c->root, &out->guests, e);
	if (rc == 0)
		rc = cluster_local_node(&c->root, &out->node, e);
	if (rc < 0)
		return rc;
	read_around(out);
	if (vmid)
		return add_asked(out, vmid, e);
	for (size_t i = 0; i < out->settings.n_vms; i++)
		if (out->settings.vms[i].n_intents || out->settings.vms[i].fault)
			add_vm(out, out->settings.vms[i].vmid);
	if (out->n)
		qsort(out->vms, out->n, sizeof(*out->vms), by_vmid);
	return 0;
}
