/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "conf_parse.h"
#include "parse.h"
#include "quote.h"
#include "settings_line.h"
#include "settings_value.h"
#include "xalloc.h"

struct parser {
	struct conf_parser conf;
	struct settings *out;
};

static struct vm_settings *this_vm(const struct parser *p)
{
	return &p->out->vms[p->out->n_vms - 1];
}

static struct vm_settings *find_vm(const struct settings *s, unsigned int vmid)
{
	for (size_t i = 0; i < s->n_vms; i++)
		if (s->vms[i].vmid == vmid)
			return &s->vms[i];
	return NULL;
}

/* --- keys --- */

static const char *const vm_keys[] = {
	"gpu", "placement", "params", "mode", "x-vga", "pcie", "display", "ramfb", "identity", "next-hook",
	"hostpci0", "hostpci1", "hostpci2", "hostpci3", "hostpci4", "hostpci5", "hostpci6", "hostpci7",
	"hostpci8", "hostpci9", "hostpci10", "hostpci11", "hostpci12", "hostpci13", "hostpci14", "hostpci15",
};
static const char *const defaults_keys[] = {
	"gpu", "placement", "cleanup-wait", "start-grace", "lock-wait", "inject-uuid",
};

_Static_assert(SETTINGS_HOSTPCI_MAX == 16, "vm_keys has all of hostpci<N>");

static const struct conf_known known_vm = { vm_keys, ARRAY_SIZE(vm_keys) };
static const struct conf_known known_defaults = { defaults_keys, ARRAY_SIZE(defaults_keys) };

#define PLACE_VM	"a VM; move the line to its section [vm <vmid>]"

static void unknown_vm_key(struct parser *p, const char *name)
{
	if (!conf_misplaced_key(&p->conf, name, &known_defaults, "[defaults]; move the line there"))
		conf_unknown_key(&p->conf, name, &known_vm);
}

static void unknown_defaults_key(struct parser *p, const char *name)
{
	unsigned int index;

	if (conf_misplaced_key(&p->conf, name, &known_vm, PLACE_VM))
		return;
	/* hostpci99, too, was meant for a VM. */
	if (value_hostpci_key(name, &index) != -ENOENT)
		conf_fault(&p->conf, "%s is a key of " PLACE_VM, QUOTED(name));
	else
		conf_unknown_key(&p->conf, name, &known_defaults);
}

static void judge_placement(struct parser *p, const char *value, enum placement *out, bool *has)
{
	char *why = value_placement(value, out);

	*has = !why;
	conf_judge(&p->conf, why);
}

static void add_intent(struct vm_settings *vm, const struct vm_intent *intent)
{
	struct vm_intent *last = GROW(vm->intents, vm->n_intents);

	for (; last > vm->intents && last[-1].index > intent->index; last--)
		*last = last[-1];
	*last = *intent;
}

static void parse_intent(struct parser *p, unsigned int index, const char *value)
{
	struct vm_intent intent = { .index = index, .line = p->conf.text.line };
	char *why = value_choices(index, value, &intent.choices);

	if (!why) {
		add_intent(this_vm(p), &intent);
		return;
	}
	strlist_free(&intent.choices);
	conf_judge(&p->conf, why);
}

/* hostpci<N>, was-hostpci<N>. Whether name is one of them. */
static bool indexed_key(struct parser *p, const char *name, const char *value)
{
	static const char was[] = "was-";
	bool before = !strncmp(name, was, strlen(was));
	unsigned int index;
	int rc = value_hostpci_key(name + (before ? strlen(was) : 0), &index);

	if (rc == -EINVAL)
		conf_fault(&p->conf, "%s: there are only hostpci0 to hostpci%d; name the line of the VM's configuration that is meant",
			   QUOTED(name), SETTINGS_HOSTPCI_MAX - 1);
	else if (rc == 0 && before)
		this_vm(p)->was[index] = xstrdup(value);
	else if (rc == 0)
		parse_intent(p, index, value);
	return rc != -ENOENT;
}

/* What speaks for the VM's devices, and for pve-vgpu itself. */
static bool device_key(struct parser *p, const char *name, const char *value)
{
	struct vm_settings *vm = this_vm(p);

	if (!strcmp(name, "mode"))
		conf_judge(&p->conf, value_mode(value, &vm->mode));
	else if (!strcmp(name, "x-vga"))
		conf_judge(&p->conf, value_x_vga(value, &vm->x_vga));
	else if (!strcmp(name, "pcie"))
		conf_judge(&p->conf, value_yes(name, value, &vm->pcie));
	else if (!strcmp(name, "display"))
		conf_judge(&p->conf, value_display(value, &vm->display));
	else if (!strcmp(name, "ramfb"))
		conf_judge(&p->conf, value_yes(name, value, &vm->ramfb));
	else if (!strcmp(name, "identity"))
		conf_judge(&p->conf, value_identity(value, &vm->identity));
	else if (!strcmp(name, "next-hook"))
		conf_judge(&p->conf, value_next_hook(value, &vm->next_hook));
	else
		return false;
	return true;
}

static void vm_key(struct parser *p, const char *name, const char *value)
{
	struct vm_settings *vm = this_vm(p);

	if (indexed_key(p, name, value) || device_key(p, name, value))
		return;
	if (!strcmp(name, "gpu"))
		conf_judge(&p->conf, value_gpus(value, &vm->gpus, &vm->n_gpus, &vm->boards));
	else if (!strcmp(name, "placement"))
		judge_placement(p, value, &vm->placement, &vm->has_placement);
	else if (!strcmp(name, "params"))
		conf_judge(&p->conf, value_params(value, &vm->params));
	else
		unknown_vm_key(p, name);
}

static void defaults_key(struct parser *p, const char *name, const char *value)
{
	struct settings *s = p->out;

	if (!strcmp(name, "gpu"))
		conf_judge(&p->conf, value_gpus(value, &s->gpus, &s->n_gpus, &s->boards));
	else if (!strcmp(name, "placement"))
		judge_placement(p, value, &s->placement, &s->has_placement);
	else if (!strcmp(name, "cleanup-wait"))
		conf_judge(&p->conf, value_seconds(name, value, 0, 60, &s->cleanup_wait_s));
	else if (!strcmp(name, "start-grace"))
		conf_judge(&p->conf, value_seconds(name, value, 0, 3600, &s->start_grace_s));
	else if (!strcmp(name, "lock-wait"))
		conf_judge(&p->conf, value_seconds(name, value, 1, 600, &s->lock_wait_s));
	else if (!strcmp(name, "inject-uuid"))
		conf_judge(&p->conf, value_yes(name, value, &s->inject_uuid));
	else
		unknown_defaults_key(p, name);
}

static void on_key(void *arg, const char *name, const char *value)
{
	struct parser *p = arg;

	if (p->conf.scope == CONF_SECTION)
		vm_key(p, name, value);
	else
		defaults_key(p, name, value);
}

/* --- the whole --- */

static void begin_vm(void *arg, const struct conf_line *l)
{
	struct parser *p = arg;
	struct vm_settings *vm;
	unsigned int vmid = 0;

	/* It is one: settings_sections has it checked. */
	parse_vmid(l->name, &vmid);
	vm = find_vm(p->out, vmid);
	if (vm) {
		conf_repeat_section(&p->conf, &vm->fault, vm->line, "vm %u", vmid);
		return;
	}
	vm = GROW(p->out->vms, p->out->n_vms);
	vm->vmid = vmid;
	vm->line = p->conf.text.line;
	vm->x_vga = X_VGA_NONE;
	conf_begin_section(&p->conf, &vm->fault);
}

static void inherit(const struct settings *s, struct vm_settings *vm)
{
	if (!vm->has_placement) {
		vm->placement = s->placement;
		vm->has_placement = s->has_placement;
	}
	if (vm->n_gpus || vm->boards.n)
		return;
	for (size_t i = 0; i < s->boards.n; i++)
		strlist_add(&vm->boards, s->boards.s[i]);
	for (size_t i = 0; i < s->n_gpus; i++) {
		struct bdf *slot = GROW(vm->gpus, vm->n_gpus);
		*slot = s->gpus[i];
	}
}

void settings_parse(const char *text, size_t len, const char *file, struct settings *out)
{
	struct parser p = {
		.out = out,
		.conf = {
			.file = file, .sections = &settings_sections, .begin = begin_vm, .key = on_key,
			.arg = &p, .fault_of_all = &out->fault, .lost = &out->lost,
			.warnings = &out->warnings,
		},
	};

	*out = (struct settings){
		.cleanup_wait_s = 3,
		.start_grace_s = 300,
		.lock_wait_s = 60,
		.inject_uuid = true,
	};
	conf_parse(&p.conf, text, len);
	for (size_t i = 0; i < out->n_vms; i++)
		inherit(out, &out->vms[i]);
}

int settings_vm(const struct settings *s, unsigned int vmid,
		const struct vm_settings **out, struct err *e)
{
	const struct vm_settings *vm = find_vm(s, vmid);
	const char *why = s->fault ? s->fault : vm ? vm->fault : s->lost;

	if (why)
		return fail(e, -EINVAL, "%s", why);
	*out = vm && vm->n_intents ? vm : NULL;
	return 0;
}

const struct vm_settings *settings_section(const struct settings *s, unsigned int vmid)
{
	return find_vm(s, vmid);
}

void settings_warnings_for(const struct settings *s, unsigned int vmid, struct strlist *out)
{
	if (s->fault && !vmid)
		strlist_add(out, s->fault);
	if (s->lost && (!vmid || find_vm(s, vmid)))
		strlist_add(out, s->lost);
	for (size_t i = 0; i < s->n_vms; i++)
		if (s->vms[i].fault && s->vms[i].vmid != vmid)
			strlist_add(out, s->vms[i].fault);
	for (size_t i = 0; i < s->warnings.n; i++)
		strlist_add(out, s->warnings.s[i]);
}

bool settings_has_intent(const struct settings *s, unsigned int vmid, unsigned int index)
{
	const struct vm_settings *vm = find_vm(s, vmid);

	for (size_t i = 0; vm && i < vm->n_intents; i++)
		if (vm->intents[i].index == index)
			return true;
	return false;
}

bool vm_settings_x_vga(const struct vm_settings *vm, unsigned int index)
{
	if (vm->x_vga == X_VGA_FIRST)
		return vm->n_intents && vm->intents[0].index == index;
	return vm->x_vga >= 0 && (unsigned int)vm->x_vga == index;
}

static void vm_settings_free(struct vm_settings *vm)
{
	for (size_t i = 0; i < vm->n_intents; i++)
		strlist_free(&vm->intents[i].choices);
	free(vm->intents);
	free(vm->gpus);
	strlist_free(&vm->boards);
	free(vm->params);
	free(vm->identity);
	free(vm->next_hook);
	for (size_t i = 0; i < ARRAY_SIZE(vm->was); i++)
		free(vm->was[i]);
	free(vm->fault);
}

void settings_free(struct settings *s)
{
	for (size_t i = 0; i < s->n_vms; i++)
		vm_settings_free(&s->vms[i]);
	free(s->vms);
	free(s->gpus);
	strlist_free(&s->boards);
	free(s->fault);
	free(s->lost);
	strlist_free(&s->warnings);
	*s = (struct settings){ 0 };
}
