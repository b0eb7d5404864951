/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node_conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boards.h"
#include "cleanup.h"
#include "conf_parse.h"
#include "parse.h"
#include "quote.h"
#include "settings_value.h"
#include "xalloc.h"

enum { SECTION_GPU, SECTION_VGPU };

static const char *const words[] = { [SECTION_GPU] = "gpu", [SECTION_VGPU] = "vgpu" };
static const struct conf_sections sections = {
	.words = words, .n = ARRAY_SIZE(words),
	.forms = "'[defaults]', '[gpu <address or board>]' or '[vgpu <uuid or address>]'",
};

struct parser {
	struct conf_parser conf;
	struct node_conf *out;
};

static struct node_vgpu *this_vgpu(const struct parser *p)
{
	return &p->out->vgpus[p->out->n_vgpus - 1];
}

static bool in_vgpu(const struct parser *p)
{
	return p->conf.scope == CONF_SECTION && p->conf.section == SECTION_VGPU;
}

/* Of this section, which is no vGPU's. */
static struct node_keys *these_keys(const struct parser *p)
{
	return p->conf.scope == CONF_DEFAULTS ? &p->out->defaults : &p->out->gpus[p->out->n_gpus - 1].keys;
}

/* --- keys --- */

static const char *const gpu_keys[] = {
	"sriov", "vfs", "mixed-size", "scheduler", "time-slice", "frequency", "averaging-factor",
	"sriov-wait",
};
static const char *const vgpu_keys[] = { "type", "gpu", "params" };

static const struct conf_known known_defaults = { gpu_keys, ARRAY_SIZE(gpu_keys) };
/* The same but for the last one. */
static const struct conf_known known_gpu = { gpu_keys, ARRAY_SIZE(gpu_keys) - 1 };
static const struct conf_known known_vgpu = { vgpu_keys, ARRAY_SIZE(vgpu_keys) };

static void unknown_gpu_key(struct parser *p, const char *name)
{
	struct conf_parser *c = &p->conf;

	if (!conf_misplaced_key(c, name, &known_vgpu, "a vGPU; move the line to its section [vgpu <uuid>]") &&
	    !conf_misplaced_key(c, name, &known_defaults, "[defaults]; move the line there"))
		conf_unknown_key(c, name, c->scope == CONF_DEFAULTS ? &known_defaults : &known_gpu);
}

static void unknown_vgpu_key(struct parser *p, const char *name)
{
	if (!conf_misplaced_key(&p->conf, name, &known_defaults,
				"a GPU; move the line to [gpu <address>] or [defaults]"))
		conf_unknown_key(&p->conf, name, &known_vgpu);
}

static void read_said(struct parser *p, const char *name, const char *value, enum said *out)
{
	bool yes = false;
	char *why = value_yes(name, value, &yes);

	if (!why)
		*out = yes ? SAID_YES : SAID_NO;
	conf_judge(&p->conf, why);
}

static void read_number(struct parser *p, const char *name, const char *value, unsigned int min,
			unsigned int max, const char *unit, unsigned int *out)
{
	unsigned long v;

	if (parse_ulong(value, min, max, &v) < 0)
		conf_fault(&p->conf, "'%s': %s is out of place; write %s from %u to %u", name, QUOTED(value),
			   unit, min, max);
	else
		*out = (unsigned int)v;
}

/* PCI's Single Root I/O Virtualization counts VFs in 16 bits. */
static void read_vfs(struct parser *p, const char *value, struct node_keys *k)
{
	unsigned long v = 0;

	if (strcmp(value, "all") && parse_ulong(value, 1, 65535, &v) < 0) {
		conf_fault(&p->conf, "'vfs': %s is out of place; write 'all' or a number from 1 on (sriov = no for none)",
			   QUOTED(value));
		return;
	}
	k->has_vfs = true;
	k->vfs = (unsigned int)v;
}

static void read_policy(struct parser *p, const char *value, struct node_scheduler *s)
{
	s->has_policy = scheduler_policy_parse(value, &s->policy) == 0;
	if (!s->has_policy)
		conf_fault(&p->conf, "'scheduler': %s is none; write 'best-effort', 'equal-share' or 'fixed-share'",
			   QUOTED(value));
}

/*
 * The limits are NVIDIA's: vGPU user guide, "RmPVMRL Registry Key". Whether name
 * is one of these keys.
 */
static bool scheduler_key(struct parser *p, const char *name, const char *value,
			  struct node_scheduler *s)
{
	if (!strcmp(name, "scheduler"))
		read_policy(p, value, s);
	else if (!strcmp(name, "time-slice"))
		read_number(p, name, value, 1, 30, "milliseconds", &s->timeslice_ms);
	else if (!strcmp(name, "frequency"))
		read_number(p, name, value, 63, 960, "Hz", &s->frequency_hz);
	else if (!strcmp(name, "averaging-factor"))
		read_number(p, name, value, 1, 60, "a number", &s->averaging_factor);
	else
		return false;
	if (!s->line)
		s->line = p->conf.text.line;
	return true;
}

static void gpu_key(struct parser *p, const char *name, const char *value, struct node_keys *k)
{
	if (!strcmp(name, "sriov")) {
		read_said(p, name, value, &k->sriov);
	} else if (!strcmp(name, "vfs")) {
		read_vfs(p, value, k);
	} else if (!strcmp(name, "mixed-size")) {
		read_said(p, name, value, &k->mixed_size);
		k->mixed_line = p->conf.text.line;
	} else if (!strcmp(name, "sriov-wait") && p->conf.scope == CONF_DEFAULTS) {
		conf_judge(&p->conf, value_seconds(name, value, 1, 600, &p->out->sriov_wait_s));
	} else if (!scheduler_key(p, name, value, &k->scheduler)) {
		unknown_gpu_key(p, name);
	}
}

static void vgpu_key(struct parser *p, const char *name, const char *value, struct node_vgpu *v)
{
	if (!strcmp(name, "type"))
		v->type = xstrdup(value);
	else if (!strcmp(name, "gpu"))
		conf_judge(&p->conf, value_gpus(value, &v->gpus, &v->n_gpus, &v->boards));
	else if (!strcmp(name, "params"))
		conf_judge(&p->conf, value_params(value, &v->params));
	else
		unknown_vgpu_key(p, name);
}

static void on_key(void *arg, const char *name, const char *value)
{
	struct parser *p = arg;

	if (in_vgpu(p))
		vgpu_key(p, name, value, this_vgpu(p));
	else
		gpu_key(p, name, value, these_keys(p));
}

/* --- sections --- */

/* What no single line can tell. */
static void check_scheduler(struct parser *p, const struct node_scheduler *s)
{
	if (!s->line)
		return;
	if (!s->has_policy)
		conf_fault_at(&p->conf, s->line, "a scheduler's time is said and not which scheduler; add 'scheduler = equal-share' or "
			      "'scheduler = fixed-share'");
	else if (s->policy == SCHEDULER_BEST_EFFORT &&
		 (s->timeslice_ms || s->frequency_hz || s->averaging_factor))
		conf_fault_at(&p->conf, s->line, "best-effort has neither time slice nor frequency; remove those lines, or write "
			      "'equal-share' or 'fixed-share'");
	else if (s->timeslice_ms && s->frequency_hz)
		conf_fault_at(&p->conf, s->line, "'time-slice' is for scheduling without strict round robin, 'frequency' for "
			      "scheduling with it; remove one of the two");
	else if (s->averaging_factor && !s->frequency_hz)
		conf_fault_at(&p->conf, s->line, "'averaging-factor' goes with 'frequency'; add that, or remove the line");
}

static void check_keys(struct parser *p, const struct node_keys *k)
{
	check_scheduler(p, &k->scheduler);
	if (k->mixed_size == SAID_YES && k->scheduler.has_policy &&
	    k->scheduler.policy == SCHEDULER_FIXED_SHARE)
		conf_fault_at(&p->conf, k->mixed_line, "'mixed-size = yes' and 'scheduler = fixed-share' exclude each other; "
			      "mixed sizes take best-effort or equal-share");
}

static void end_section(void *arg)
{
	struct parser *p = arg;

	if (!in_vgpu(p))
		check_keys(p, these_keys(p));
	else if (!this_vgpu(p)->type)
		conf_fault_at(&p->conf, this_vgpu(p)->line, "[vgpu %s] has no 'type'; add 'type = <name>'",
			      this_vgpu(p)->name);
}

static bool same_gpu(const struct node_gpu *g, const struct bdf *addr, const char *name)
{
	if (addr)
		return g->by_address && bdf_eq(&g->addr, addr);
	return !g->by_address && !strcasecmp(g->name, name);
}

static void begin_gpu(struct parser *p, const char *name)
{
	struct bdf addr = { 0 };
	bool by_address = bdf_parse(name, &addr) == 0;

	if (!by_address && !board_is_name(name)) {
		conf_lose_section(&p->conf, "section gpu: %s is no PCI address and no board; write it as '[gpu 0000:3b:00.0]' or "
				  "'[gpu A40]'", QUOTED(name));
		return;
	}
	for (size_t i = 0; i < p->out->n_gpus; i++) {
		struct node_gpu *g = &p->out->gpus[i];

		if (!same_gpu(g, by_address ? &addr : NULL, name))
			continue;
		conf_repeat_section(&p->conf, &g->fault, g->line, "gpu %s", name);
		return;
	}

	struct node_gpu *g = GROW(p->out->gpus, p->out->n_gpus);

	g->name = xstrdup(name);
	g->by_address = by_address;
	g->addr = addr;
	g->line = p->conf.text.line;
	conf_begin_section(&p->conf, &g->fault);
}

/* The name as it is written in messages and compared; NULL: it is none. */
static char *vgpu_name(const char *text, bool *on_vf, struct bdf *vf)
{
	char *name;

	*on_vf = bdf_parse(text, vf) == 0;
	if (*on_vf)
		return xstrdup(BDF_STR(vf));
	if (!is_uuid(text))
		return NULL;
	name = xstrdup(text);
	for (char *s = name; *s; s++)
		*s = (char)tolower((unsigned char)*s);
	return name;
}

static void begin_vgpu(struct parser *p, const char *text)
{
	bool on_vf;
	struct bdf vf = { 0 };
	char *name = vgpu_name(text, &on_vf, &vf);

	if (!name) {
		conf_lose_section(&p->conf, "section vgpu: %s is neither a UUID nor the address of a VF (`uuidgen` makes a UUID)",
				  QUOTED(text));
		return;
	}
	for (size_t i = 0; i < p->out->n_vgpus; i++) {
		struct node_vgpu *v = &p->out->vgpus[i];

		if (strcmp(v->name, name))
			continue;
		conf_repeat_section(&p->conf, &v->fault, v->line, "vgpu %s", name);
		free(name);
		return;
	}

	struct node_vgpu *v = GROW(p->out->vgpus, p->out->n_vgpus);

	v->name = name;
	v->on_vf = on_vf;
	v->vf = vf;
	v->line = p->conf.text.line;
	conf_begin_section(&p->conf, &v->fault);
}

static void begin_section(void *arg, const struct conf_line *l)
{
	if (l->section == SECTION_GPU)
		begin_gpu(arg, l->name);
	else
		begin_vgpu(arg, l->name);
}

void node_conf_parse(const char *text, size_t len, const char *file, struct node_conf *out)
{
	struct parser p = {
		.out = out,
		.conf = {
			.file = file, .sections = &sections, .begin = begin_section, .end = end_section,
			.key = on_key, .arg = &p, .fault_of_all = &out->fault, .lost = &out->lost,
			.warnings = &out->warnings,
		},
	};

	*out = (struct node_conf){ .sriov_wait_s = 120, .file = file };
	conf_parse(&p.conf, text, len);
}

/* --- what holds --- */

/* What k does not say is as in from. */
static void inherit(struct node_keys *k, const struct node_keys *from)
{
	if (k->sriov == SAID_NOTHING)
		k->sriov = from->sriov;
	if (k->mixed_size == SAID_NOTHING) {
		k->mixed_size = from->mixed_size;
		k->mixed_line = from->mixed_line;
	}
	if (!k->has_vfs) {
		k->has_vfs = from->has_vfs;
		k->vfs = from->vfs;
	}
	if (!k->scheduler.line)
		k->scheduler = from->scheduler;
}

/* The GPU's section by address and the one by board; NULL: there is none. */
static int find_sections(const struct node_conf *c, const struct bdf *addr, board_test is_board,
			 void *arg, const struct node_gpu *found[2], struct err *e)
{
	for (size_t i = 0; i < c->n_gpus; i++) {
		const struct node_gpu *g = &c->gpus[i];
		const struct node_gpu **slot = &found[g->by_address ? 0 : 1];

		if (g->by_address ? !bdf_eq(&g->addr, addr) : !is_board(arg, g->name))
			continue;
		if (*slot)
			return fail(e, -EINVAL, "%s:%u: [gpu %s] and [gpu %s] of line %u are the same board; put the lines of "
				    "both into one", c->file, g->line, g->name, (*slot)->name, (*slot)->line);
		*slot = g;
	}
	return 0;
}

int node_conf_gpu(const struct node_conf *c, const struct bdf *addr, board_test is_board, void *arg,
		  struct node_keys *out, struct err *e)
{
	const struct node_gpu *own[2] = { NULL, NULL };
	struct node_keys k = { 0 };
	int rc;

	if (c->fault)
		return fail(e, -EINVAL, "%s", c->fault);
	rc = find_sections(c, addr, is_board, arg, own, e);
	if (rc < 0)
		return rc;
	if (c->lost && !own[0])
		return fail(e, -EINVAL, "%s", c->lost);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (own[i] && own[i]->fault)
			return fail(e, -EINVAL, "%s", own[i]->fault);
		if (own[i])
			inherit(&k, &own[i]->keys);
	}
	inherit(&k, &c->defaults);
	if (k.mixed_size == SAID_YES && k.scheduler.has_policy &&
	    k.scheduler.policy == SCHEDULER_FIXED_SHARE)
		return fail(e, -EINVAL, "%s:%u: 'mixed-size = yes' and the scheduler of line %u, fixed-share, exclude each "
			    "other; mixed sizes take best-effort or equal-share", c->file, k.mixed_line,
			    k.scheduler.line);
	*out = k;
	return 0;
}

int node_conf_vgpu(const struct node_conf *c, const struct node_vgpu *v, struct err *e)
{
	const char *why = c->fault ? c->fault : v->fault;

	return why ? fail(e, -EINVAL, "%s", why) : 0;
}

void node_conf_faults(const struct node_conf *c, struct strlist *out)
{
	if (c->fault)
		strlist_add(out, c->fault);
	if (c->lost)
		strlist_add(out, c->lost);
	for (size_t i = 0; i < c->n_gpus; i++)
		if (c->gpus[i].fault)
			strlist_add(out, c->gpus[i].fault);
	for (size_t i = 0; i < c->n_vgpus; i++)
		if (c->vgpus[i].fault)
			strlist_add(out, c->vgpus[i].fault);
	for (size_t i = 0; i < c->warnings.n; i++)
		strlist_add(out, c->warnings.s[i]);
}

uint32_t node_scheduler_value(const struct node_scheduler *s)
{
	struct scheduler as = {
		.policy = s->policy, .strict_round_robin = !s->timeslice_ms,
		.timeslice_ms = s->timeslice_ms, .frequency_hz = s->frequency_hz,
		.averaging_factor = s->averaging_factor,
	};

	return scheduler_encode(&as);
}

static void gpu_free(struct node_gpu *g)
{
	free(g->name);
	free(g->fault);
}

static void vgpu_free(struct node_vgpu *v)
{
	free(v->name);
	free(v->type);
	free(v->gpus);
	strlist_free(&v->boards);
	free(v->params);
	free(v->fault);
}

void node_conf_free(struct node_conf *c)
{
	for (size_t i = 0; i < c->n_gpus; i++)
		gpu_free(&c->gpus[i]);
	for (size_t i = 0; i < c->n_vgpus; i++)
		vgpu_free(&c->vgpus[i]);
	free(c->gpus);
	free(c->vgpus);
	free(c->fault);
	free(c->lost);
	strlist_free(&c->warnings);
	*c = (struct node_conf){ 0 };
}
