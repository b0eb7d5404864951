/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "conf_keys.h"
#include "conf_text.h"
#include "quote.h"
#include "settings_line.h"
#include "settings_value.h"
#include "xalloc.h"

enum scope {
	SCOPE_NONE,		/* before the first section */
	SCOPE_DEFAULTS,
	SCOPE_VM,
	SCOPE_REPEATED,		/* the fault is noted, the lines are passed over */
	SCOPE_LOST,		/* behind a header that cannot be read */
};

struct parser {
	struct settings *out;
	const char *file;
	struct conf_text text;
	enum scope scope;
	unsigned int defaults_line;	/* 0: none yet */
	struct conf_keys keys;		/* of this section */
};

__attribute__((format(printf, 2, 0)))
static char *at_line(const struct parser *p, const char *fmt, va_list ap)
{
	AUTO_FREE char *what = xvasprintf(fmt, ap);

	return xasprintf("%s:%u: %s", p->file, p->text.line, what);
}

static struct vm_settings *this_vm(const struct parser *p)
{
	return &p->out->vms[p->out->n_vms - 1];
}

/* Note a fault where it counts: the first of a section stays. */
__attribute__((format(printf, 2, 3)))
static void fault(struct parser *p, const char *fmt, ...)
{
	char **slot = p->scope == SCOPE_VM ? &this_vm(p)->fault : &p->out->fault;
	va_list ap;

	if (*slot || p->scope == SCOPE_REPEATED || p->scope == SCOPE_LOST)
		return;
	va_start(ap, fmt);
	*slot = at_line(p, fmt, ap);
	va_end(ap);
}

/* A fault that stops every VM, whatever the section. */
__attribute__((format(printf, 2, 3)))
static void fault_for_all(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	if (p->out->fault)
		return;
	va_start(ap, fmt);
	p->out->fault = at_line(p, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 2, 3)))
static void lose_section(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);

	char *msg = at_line(p, fmt, ap);

	va_end(ap);
	p->scope = SCOPE_LOST;
	if (p->out->lost)
		strlist_take(&p->out->warnings, msg);
	else
		p->out->lost = msg;
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
	"gpu", "placement", "params", "mode", "x-vga", "pcie", "display", "ramfb", "identity",
	"next-hook",
};
static const char *const defaults_keys[] = {
	"gpu", "placement", "cleanup-wait", "start-grace", "lock-wait", "inject-uuid",
};

static bool is_among(const char *name, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, keys[i]))
			return true;
	return false;
}

/* The nearest key of this section; the caller frees it. NULL: none is near. */
static char *near_key(const struct parser *p, const char *name)
{
	AUTO_STRLIST struct strlist known = { 0 };
	bool vm = p->scope == SCOPE_VM;
	const char *const *keys = vm ? vm_keys : defaults_keys;
	size_t n = vm ? ARRAY_SIZE(vm_keys) : ARRAY_SIZE(defaults_keys);
	const char *near;

	for (size_t i = 0; i < n; i++)
		strlist_add(&known, keys[i]);
	for (unsigned int i = 0; vm && i < SETTINGS_HOSTPCI_MAX; i++)
		strlist_take(&known, xasprintf("hostpci%u", i));
	near = conf_keys_near(name, (const char *const *)known.s, known.n);
	return near ? xstrdup(near) : NULL;
}

static void fault_unknown_key(struct parser *p, const char *name)
{
	AUTO_FREE char *near = near_key(p, name);
	unsigned int index;

	if (p->scope == SCOPE_VM && is_among(name, defaults_keys, ARRAY_SIZE(defaults_keys)))
		fault(p, "'%s' is a key of [defaults]; move the line there", name);
	else if (p->scope == SCOPE_DEFAULTS && (is_among(name, vm_keys, ARRAY_SIZE(vm_keys)) ||
						value_hostpci_key(name, &index) != -ENOENT))
		fault(p, "%s is a key of a VM; move the line to its section [vm <vmid>]",
		      QUOTED(name));
	else if (near)
		fault(p, "%s is no key known to this version of pve-vgpu; did you mean '%s'?",
		      QUOTED(name), near);
	else
		fault(p, "%s is no key known to this version of pve-vgpu; remove the line",
		      QUOTED(name));
}

/* Note what a value's reader has against it, if anything. */
static void judge(struct parser *p, char *why)
{
	if (why)
		fault(p, "%s", why);
	free(why);
}

static void judge_placement(struct parser *p, const char *value, enum placement *out, bool *has)
{
	char *why = value_placement(value, out);

	*has = !why;
	judge(p, why);
}

static bool is_repeated(struct parser *p, const char *name)
{
	unsigned int line = conf_keys_add(&p->keys, name, p->text.line);

	if (line)
		fault(p, "'%s' is there already, in line %u; remove one of the two", name, line);
	return line;
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
	struct vm_intent intent = { .index = index, .line = p->text.line };
	char *why = value_choices(index, value, &intent.choices);

	if (!why) {
		add_intent(this_vm(p), &intent);
		return;
	}
	strlist_free(&intent.choices);
	judge(p, why);
}

/* hostpci<N>, was-hostpci<N>. Whether name is one of them. */
static bool indexed_key(struct parser *p, const char *name, const char *value)
{
	static const char was[] = "was-";
	bool before = !strncmp(name, was, strlen(was));
	unsigned int index;
	int rc = value_hostpci_key(name + (before ? strlen(was) : 0), &index);

	if (rc == -EINVAL)
		fault(p, "%s: there are only hostpci0 to hostpci%d; name the line of the VM's configuration that is meant",
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
		judge(p, value_mode(value, &vm->mode));
	else if (!strcmp(name, "x-vga"))
		judge(p, value_x_vga(value, &vm->x_vga));
	else if (!strcmp(name, "pcie"))
		judge(p, value_yes(name, value, &vm->pcie));
	else if (!strcmp(name, "display"))
		judge(p, value_display(value, &vm->display));
	else if (!strcmp(name, "ramfb"))
		judge(p, value_yes(name, value, &vm->ramfb));
	else if (!strcmp(name, "identity"))
		judge(p, value_identity(value, &vm->identity));
	else if (!strcmp(name, "next-hook"))
		judge(p, value_next_hook(value, &vm->next_hook));
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
		judge(p, value_gpus(value, &vm->gpus, &vm->n_gpus, &vm->boards));
	else if (!strcmp(name, "placement"))
		judge_placement(p, value, &vm->placement, &vm->has_placement);
	else if (!strcmp(name, "params"))
		judge(p, value_params(value, &vm->params));
	else
		fault_unknown_key(p, name);
}

static void defaults_key(struct parser *p, const char *name, const char *value)
{
	struct settings *s = p->out;

	if (!strcmp(name, "gpu"))
		judge(p, value_gpus(value, &s->gpus, &s->n_gpus, &s->boards));
	else if (!strcmp(name, "placement"))
		judge_placement(p, value, &s->placement, &s->has_placement);
	else if (!strcmp(name, "cleanup-wait"))
		judge(p, value_seconds(name, value, 0, 60, &s->cleanup_wait_s));
	else if (!strcmp(name, "start-grace"))
		judge(p, value_seconds(name, value, 0, 3600, &s->start_grace_s));
	else if (!strcmp(name, "lock-wait"))
		judge(p, value_seconds(name, value, 1, 600, &s->lock_wait_s));
	else if (!strcmp(name, "inject-uuid"))
		judge(p, value_yes(name, value, &s->inject_uuid));
	else
		fault_unknown_key(p, name);
}

static void on_key(void *arg, const char *name, const char *value)
{
	struct parser *p = arg;

	if (is_repeated(p, name))
		return;
	if (p->scope == SCOPE_VM)
		vm_key(p, name, value);
	else
		defaults_key(p, name, value);
}

/* --- lines --- */

static void begin_defaults(struct parser *p)
{
	p->scope = SCOPE_DEFAULTS;
	if (!p->defaults_line) {
		p->defaults_line = p->text.line;
		return;
	}
	fault(p, "section [defaults] is there already, in line %u; put the lines of both into one",
	      p->defaults_line);
	p->scope = SCOPE_REPEATED;
}

static void begin_vm(struct parser *p, unsigned int vmid)
{
	struct vm_settings *vm = find_vm(p->out, vmid);

	if (vm) {
		if (!vm->fault)
			vm->fault = xasprintf("%s:%u: section [vm %u] is there already, in line %u; put the lines of both into one",
					      p->file, p->text.line, vmid, vm->line);
		p->scope = SCOPE_REPEATED;
		return;
	}
	vm = GROW(p->out->vms, p->out->n_vms);
	vm->vmid = vmid;
	vm->line = p->text.line;
	vm->x_vga = X_VGA_NONE;
	p->scope = SCOPE_VM;
}

/* A header; false if it cannot be read, and the section is lost. */
static bool begin_section(struct parser *p, const struct settings_line *l)
{
	conf_keys_clear(&p->keys);
	if (l->kind == LINE_DEFAULTS)
		begin_defaults(p);
	else if (l->kind == LINE_VM)
		begin_vm(p, l->vmid);
	else
		lose_section(p, "%s: what follows is not read", l->why);
	return p->scope != SCOPE_LOST;
}

/* Check one line; true if inih is to see it. */
static bool check_line(void *arg, const char *line, size_t max)
{
	struct parser *p = arg;
	AUTO_SETTINGS_LINE struct settings_line l = { 0 };

	settings_line_read(line, max, &l);
	if (settings_line_is_header(&l))
		return begin_section(p, &l) && strlen(line) <= max;
	if (p->scope == SCOPE_LOST || p->scope == SCOPE_REPEATED || l.kind == LINE_COMMENT)
		return false;
	if (p->scope == SCOPE_NONE && l.kind != LINE_GARBLED)
		fault(p, "%s stands before any section; put '[defaults]' or '[vm <vmid>]' above it",
		      QUOTED(line));
	else if (l.why)
		fault(p, "%s", l.why);
	else
		return true;
	return false;
}

static void nul_byte(void *arg)
{
	struct parser *p = arg;

	fault_for_all(p, "NUL byte in the line; write the file anew");
	p->scope = SCOPE_LOST;
}

/* --- the whole --- */

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
		.out = out, .file = file,
		.text = { .see = check_line, .nul = nul_byte, .key = on_key },
	};

	p.text.arg = &p;
	*out = (struct settings){
		.cleanup_wait_s = 3,
		.start_grace_s = 300,
		.lock_wait_s = 60,
		.inject_uuid = true,
	};

	int rc = conf_text_read(&p.text, text, len);

	if (rc != 0 && !out->fault)
		out->fault = rc > 0 ? xasprintf("%s:%d: the line cannot be read", file, rc) :
				      xasprintf("%s: out of memory", file);
	conf_keys_clear(&p.keys);
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
