/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json_util.h"
#include "quote.h"
#include "show.h"
#include "term.h"
#include "xalloc.h"

/* --- words --- */

static const char *attach_name(enum attach how)
{
	switch (how) {
	case ATTACH_NONE:
		return "none";
	case ATTACH_ADDRESS:
		return "address";
	case ATTACH_MAPPING:
		return "mapping";
	case ATTACH_ARGS:
		return "args";
	case ATTACH_WRAPPER:
		return "wrapper";
	case ATTACH_CONFLICT:
		break;
	}
	return "conflict";
}

static const char *identity_name(enum show_identity i)
{
	switch (i) {
	case IDENTITY_MATCHES:
		return "matches";
	case IDENTITY_DIFFERS:
		return "differs";
	case IDENTITY_UNKNOWN:
		return "unknown";
	case IDENTITY_NONE:
		break;
	}
	return "none";
}

static const char *hook_name(enum show_hook h)
{
	switch (h) {
	case HOOK_OURS:
		return "ours";
	case HOOK_OTHER:
		return "other";
	case HOOK_UNKNOWN:
		return "unknown";
	case HOOK_NONE:
		break;
	}
	return "none";
}

static const char *name_of(const struct vgpu *v)
{
	return v->name ? v->name : v->type;
}

static const char *state_of(const struct show_slot *slot)
{
	if (!slot->there)
		return "claimed";
	return slot->in_use ? "in use" : "idle";
}

static char *choices_of(const struct show_slot *slot)
{
	return slot->intent ? strlist_join(&slot->intent->choices, ", ") : xstrdup("-");
}

/* The line of the VM's config that brings the vGPU, and what is to come of it. */
static char *carried_by(const struct show_vm *vm, const struct show_slot *slot)
{
	const struct hostpci *h = &vm->conf.hostpci[slot->index];

	if (slot->how == ATTACH_ARGS || slot->how == ATTACH_WRAPPER)
		return xstrdup(slot->how == ATTACH_ARGS ? "args" : "the wrapper");
	if (h->present)
		return xasprintf("hostpci%u: %s", slot->index, h->raw);
	return xstrdup(vm->has_conf ? "nothing" : "-");
}

static char *has_text(const struct show_vm *vm, const struct show_slot *slot)
{
	if (slot->has)
		return xasprintf("%s on %s, GPU %s, %s", name_of(slot->has), slot->has->parent_name,
				 slot->has->on_gpu ? BDF_STR(&slot->has->gpu) : "-", state_of(slot));
	if (vm->node && !vm->here)
		return xasprintf("see there: pve-vgpu show %u", vm->vmid);
	return xstrdup("nothing");
}

static bool concerns_us(const char *key)
{
	return !strncmp(key, "hostpci", strlen("hostpci")) || !strcmp(key, "args") ||
		!strcmp(key, "hookscript") || !strcmp(key, "vga") || !strcmp(key, "machine");
}

static char *gpus_of(const struct vm_settings *vs)
{
	AUTO_STRLIST struct strlist l = { 0 };

	for (size_t i = 0; i < vs->n_gpus; i++)
		strlist_add(&l, BDF_STR(&vs->gpus[i]));
	for (size_t i = 0; i < vs->boards.n; i++)
		strlist_add(&l, vs->boards.s[i]);
	return l.n ? strlist_join(&l, ", ") : NULL;
}

static char *x_vga_of(const struct vm_settings *vs)
{
	if (vs->x_vga == X_VGA_NONE)
		return NULL;
	return vs->x_vga == X_VGA_FIRST ? xstrdup("yes") : xasprintf("hostpci%d", vs->x_vga);
}

/* --- JSON --- */

/* Texts from files may hold anything. */
static void add_text(struct json_object *o, const char *key, const char *text)
{
	AUTO_FREE char *clean = text ? text_clean(text, strlen(text)) : NULL;

	json_add_str(o, key, clean);
}

static struct json_object *has_json(const struct show_slot *slot)
{
	const struct vgpu *v = slot->has;
	struct json_object *o;

	if (!v)
		return NULL;
	o = json_object_new_object();
	json_add_str(o, "type", v->type);
	json_add_str(o, "name", v->name);
	json_add_str(o, "gpu", v->on_gpu ? BDF_STR(&v->gpu) : NULL);
	json_add_str(o, "parent", v->parent_name);
	json_add_str(o, "uuid", *v->uuid ? v->uuid : NULL);
	json_add_flag(o, "exists", slot->there);
	json_add_flag(o, "in_use", slot->in_use);
	return o;
}

static struct json_object *slot_json(const struct show_vm *vm, const struct show_slot *slot)
{
	struct json_object *o = json_object_new_object(), *types = json_object_new_array();

	for (size_t i = 0; slot->intent && i < slot->intent->choices.n; i++) {
		const char *choice = slot->intent->choices.s[i];
		AUTO_FREE char *clean = text_clean(choice, strlen(choice));

		json_object_array_add(types, json_object_new_string(clean));
	}
	json_add_num(o, "index", slot->index);
	json_object_object_add(o, "types", types);
	json_add_str(o, "attach", vm->has_conf ? attach_name(slot->how) : NULL);
	add_text(o, "config", vm->conf.hostpci[slot->index].raw);
	json_object_object_add(o, "has", has_json(slot));
	return o;
}

static struct json_object *pending_json(const struct show_vm *vm)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < vm->pending.n; i++) {
		struct json_object *o;

		if (!concerns_us(vm->pending.changes[i].key))
			continue;
		o = json_object_new_object();
		json_add_str(o, "key", vm->pending.changes[i].key);
		add_text(o, "value", vm->pending.changes[i].value);
		json_object_array_add(all, o);
	}
	return all;
}

static struct json_object *problems_json(const struct show_vm *vm)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < vm->nproblems; i++) {
		struct json_object *o = json_object_new_object();

		add_text(o, "what", vm->problems[i].what);
		add_text(o, "mend", vm->problems[i].mend);
		json_object_array_add(all, o);
	}
	return all;
}

static void add_settings(struct json_object *o, const struct vm_settings *vs)
{
	static const struct vm_settings none = { .x_vga = X_VGA_NONE };
	const struct vm_settings *v = vs ? vs : &none;
	AUTO_FREE char *gpus = gpus_of(v);
	AUTO_FREE char *x_vga = x_vga_of(v);

	json_add_str(o, "mode", vm_mode_name(v->mode));
	add_text(o, "gpus", gpus);
	json_add_str(o, "placement", v->has_placement ? placement_name(v->placement) : NULL);
	add_text(o, "params", v->params);
	json_add_str(o, "x_vga", x_vga);
	json_add_flag(o, "pcie", v->pcie);
	json_add_str(o, "display", display_name(v->display));
	json_add_flag(o, "ramfb", v->ramfb);
	add_text(o, "next_hook", v->next_hook);
}

static struct json_object *vm_json(const struct show_vm *vm)
{
	struct json_object *o = json_object_new_object(), *vgpus = json_object_new_array();

	for (size_t i = 0; i < vm->nslots; i++)
		json_object_array_add(vgpus, slot_json(vm, &vm->slots[i]));
	json_add_num(o, "vmid", vm->vmid);
	add_text(o, "name", vm->conf.name);
	json_add_str(o, "node", vm->node);
	json_add_flag(o, "here", vm->here);
	json_add_flag(o, "template", vm->conf.template);
	json_add_str(o, "identity", identity_name(vm->identity));
	add_settings(o, vm->vs);
	add_text(o, "hookscript", vm->conf.hookscript);
	json_add_str(o, "hook", vm->has_conf ? hook_name(vm->hook) : NULL);
	json_object_object_add(o, "running", vm->here ? json_object_new_boolean(vm->qemu > 0) : NULL);
	json_object_object_add(o, "vgpus", vgpus);
	json_object_object_add(o, "pending", pending_json(vm));
	json_object_object_add(o, "problems", problems_json(vm));
	return o;
}

static void print_json(const struct show *s)
{
	AUTO_JSON struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < s->n; i++)
		json_object_array_add(all, vm_json(&s->vms[i]));

	AUTO_FREE char *text = json_print(all);

	fputs(text, stdout);
}

/* --- text --- */

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

/* Texts from files, on a terminal. */
static void styled_row(struct table *t, enum style s, const char *what, const char *text)
{
	AUTO_FREE char *clean = text ? text_clean(text, strlen(text)) : NULL;

	if (clean)
		TABLE_ROW(t, s, what, clean);
}

static void row(struct table *t, const char *what, const char *text)
{
	styled_row(t, STYLE_NONE, what, text);
}

static char *first_problem(const struct show_vm *vm)
{
	if (!vm->nproblems)
		return xstrdup("-");
	if (vm->nproblems == 1)
		return xstrdup(vm->problems[0].what);
	return xasprintf("%s (and %zu more: pve-vgpu show %u)", vm->problems[0].what, vm->nproblems - 1, vm->vmid);
}

/* In a pipe what is wrong stands in the row, on a terminal below the table. */
static void list_row(struct table *t, const struct show_vm *vm, const struct show_slot *slot)
{
	AUTO_FREE char *vmid = xasprintf("%u", vm->vmid);
	AUTO_FREE char *index = slot ? xasprintf("hostpci%u", slot->index) : xstrdup("-");
	AUTO_FREE char *choices = slot ? choices_of(slot) : xstrdup("-");
	AUTO_FREE char *clean = text_clean(choices, strlen(choices));
	AUTO_FREE char *first = first_problem(vm);
	AUTO_FREE char *wrong = text_clean(first, strlen(first));
	const char *cure = vm->nproblems ? or_dash(vm->problems[0].mend) : "-";
	AUTO_FREE char *mend = text_clean(cure, strlen(cure));
	const char *cells[] = {
		vmid, or_dash(vm->node), index, clean, slot && vm->has_conf ? attach_name(slot->how) : "-",
		slot && slot->has ? name_of(slot->has) : "-", slot && slot->has ? state_of(slot) : "-",
		wrong, mend,
	};

	table_add(t, vm->nproblems ? STYLE_WARN : STYLE_NONE, cells, term_is_tty(stdout) ? 7 : 9);
}

static void print_problems(const struct show_vm *vm)
{
	for (size_t i = 0; i < vm->nproblems; i++) {
		const struct show_problem *p = &vm->problems[i];
		AUTO_FREE char *what = text_clean(p->what, strlen(p->what));
		AUTO_FREE char *mend = p->mend ? text_clean(p->mend, strlen(p->mend)) : NULL;

		printf("\nvm %u: %s\n", vm->vmid, what);
		if (mend)
			printf("  mend: %s\n", mend);
	}
}

static void print_list(const struct show *s)
{
	AUTO_TABLE struct table t = { 0 };

	TABLE_HEADER(&t, "VM", "NODE", "SLOT", "TO GET", "ATTACHED", "HAS", "STATE");
	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; k < s->vms[i].nslots; k++)
			list_row(&t, &s->vms[i], &s->vms[i].slots[k]);
		if (!s->vms[i].nslots)
			list_row(&t, &s->vms[i], NULL);
	}
	table_print(&t, stdout);
	for (size_t i = 0; i < s->n && term_is_tty(stdout); i++)
		print_problems(&s->vms[i]);
}

static void settings_rows(struct table *t, const struct show_vm *vm)
{
	const struct vm_settings *vs = vm->vs;
	AUTO_FREE char *gpus = vs ? gpus_of(vs) : NULL;
	AUTO_FREE char *x_vga = vs ? x_vga_of(vs) : NULL;
	AUTO_FREE char *identity = vs && vs->identity ?
		xasprintf("%s, %s", vs->identity, identity_name(vm->identity)) : NULL;

	if (!vs)
		return;
	row(t, "identity", identity);
	row(t, "mode", vm_mode_name(vs->mode));
	row(t, "gpu", gpus);
	row(t, "placement", vs->has_placement ? placement_name(vs->placement) : NULL);
	row(t, "params", vs->params);
	row(t, "x-vga", x_vga);
	row(t, "pcie", vs->pcie ? "yes" : NULL);
	row(t, "display", display_name(vs->display));
	row(t, "ramfb", vs->ramfb ? "yes" : NULL);
	row(t, "next-hook", vs->next_hook);
}

static void conf_rows(struct table *t, const struct show_vm *vm)
{
	AUTO_FREE char *hook = vm->conf.hookscript ?
		xasprintf("%s (%s)", vm->conf.hookscript, hook_name(vm->hook)) : xstrdup("none");

	if (!vm->has_conf)
		return;
	row(t, "template", vm->conf.template ? "yes" : NULL);
	row(t, "hookscript", hook);
	row(t, "running", vm->here ? (vm->qemu ? "yes" : "no") : NULL);
}

static void slot_rows(struct table *t, const struct show_vm *vm, const struct show_slot *slot)
{
	AUTO_FREE char *name = xasprintf("hostpci%u", slot->index);
	AUTO_FREE char *choices = choices_of(slot);
	AUTO_FREE char *carried = carried_by(vm, slot);
	AUTO_FREE char *has = has_text(vm, slot);

	row(t, name, choices);
	row(t, "attached by", carried);
	row(t, "has", has);
}

static void pending_rows(struct table *t, const struct show_vm *vm)
{
	for (size_t i = 0; i < vm->pending.n; i++) {
		const struct pending_change *c = &vm->pending.changes[i];
		AUTO_FREE char *text = c->value ? xasprintf("%s: %s", c->key, c->value) :
						  xasprintf("%s goes", c->key);

		if (concerns_us(c->key))
			row(t, "at next start", text);
	}
}

static void print_vm(const struct show_vm *vm)
{
	AUTO_TABLE struct table t = { 0 };
	AUTO_FREE char *vmid = xasprintf("%u", vm->vmid);

	TABLE_HEADER(&t, "vm", vmid);
	/* A pipe gets no header. */
	if (!term_is_tty(stdout))
		row(&t, "vm", vmid);
	row(&t, "name", vm->conf.name);
	row(&t, "node", vm->node ? vm->node : "none");
	settings_rows(&t, vm);
	conf_rows(&t, vm);
	for (size_t i = 0; i < vm->nslots; i++)
		slot_rows(&t, vm, &vm->slots[i]);
	if (!vm->nslots)
		row(&t, "to get", "nothing");
	pending_rows(&t, vm);
	for (size_t i = 0; i < vm->nproblems; i++) {
		styled_row(&t, STYLE_WARN, "wrong", vm->problems[i].what);
		row(&t, "mend", vm->problems[i].mend);
	}
	table_print(&t, stdout);
}

void show_print(const struct show *s, bool one)
{
	if (s->c->json)
		print_json(s);
	else if (one && s->n)
		print_vm(&s->vms[0]);
	else
		print_list(s);
}
