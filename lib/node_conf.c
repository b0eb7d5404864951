/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node_conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "boards.h"
#include "cleanup.h"
#include "conf_keys.h"
#include "conf_text.h"
#include "parse.h"
#include "quote.h"
#include "settings_value.h"
#include "xalloc.h"

#define FORMS	"'[defaults]', '[gpu <address or board>]' or '[vgpu <uuid or address>]'"

enum { SECTION_GPU, SECTION_VGPU };

static const char *const words[] = { [SECTION_GPU] = "gpu", [SECTION_VGPU] = "vgpu" };
static const struct conf_sections sections = {
	.words = words, .n = ARRAY_SIZE(words), .forms = FORMS,
};

enum scope {
	SCOPE_NONE,		/* before the first section */
	SCOPE_DEFAULTS,
	SCOPE_GPU,
	SCOPE_VGPU,
	SCOPE_REPEATED,		/* the fault is noted, the lines are passed over */
	SCOPE_LOST,		/* behind a header that cannot be read */
};

struct parser {
	struct node_conf *out;
	struct conf_text text;
	enum scope scope;
	unsigned int defaults_line;	/* 0: none yet */
	struct conf_keys keys;		/* of this section */
};

static struct node_gpu *this_gpu(const struct parser *p)
{
	return &p->out->gpus[p->out->n_gpus - 1];
}

static struct node_vgpu *this_vgpu(const struct parser *p)
{
	return &p->out->vgpus[p->out->n_vgpus - 1];
}

__attribute__((format(printf, 3, 0)))
static char *at_line(const struct parser *p, unsigned int line, const char *fmt, va_list ap)
{
	AUTO_FREE char *what = xvasprintf(fmt, ap);

	return xasprintf("%s:%u: %s", p->out->file, line, what);
}

/* Where a fault of this section counts. */
static char **fault_of(const struct parser *p)
{
	if (p->scope == SCOPE_GPU)
		return &this_gpu(p)->fault;
	return p->scope == SCOPE_VGPU ? &this_vgpu(p)->fault : &p->out->fault;
}

/* Note a fault of a line; the first of a section stays. */
__attribute__((format(printf, 4, 5)))
static void note(struct parser *p, char **slot, unsigned int line, const char *fmt, ...)
{
	va_list ap;

	if (*slot)
		return;
	va_start(ap, fmt);
	*slot = at_line(p, line, fmt, ap);
	va_end(ap);
}

#define fault(p, ...)	note((p), fault_of(p), (p)->text.line, __VA_ARGS__)

/* Note what a value's reader has against it, if anything. */
static void judge(struct parser *p, char *why)
{
	if (why)
		fault(p, "%s", why);
	free(why);
}

/* --- keys --- */

static const char *const defaults_keys[] = {
	"sriov", "vfs", "mixed-size", "scheduler", "time-slice", "frequency", "averaging-factor",
	"sriov-wait",
};
/* The same but for the last one. */
#define GPU_KEYS	(ARRAY_SIZE(defaults_keys) - 1)
static const char *const vgpu_keys[] = { "type", "gpu", "params" };

static bool is_among(const char *name, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, keys[i]))
			return true;
	return false;
}

static void fault_unknown_key(struct parser *p, const char *name)
{
	bool vgpu = p->scope == SCOPE_VGPU;
	const char *const *keys = vgpu ? vgpu_keys : defaults_keys;
	size_t n = vgpu ? ARRAY_SIZE(vgpu_keys) :
		p->scope == SCOPE_GPU ? GPU_KEYS : ARRAY_SIZE(defaults_keys);
	const char *near = conf_keys_near(name, keys, n);

	if (!vgpu && is_among(name, vgpu_keys, ARRAY_SIZE(vgpu_keys)))
		fault(p, "'%s' is a key of a vGPU; move the line to its section [vgpu <uuid>]", name);
	else if (p->scope == SCOPE_GPU && is_among(name, defaults_keys, ARRAY_SIZE(defaults_keys)))
		fault(p, "'%s' is a key of [defaults]; move the line there", name);
	else if (vgpu && is_among(name, defaults_keys, ARRAY_SIZE(defaults_keys)))
		fault(p, "'%s' is a key of a GPU; move the line to [gpu <address>] or [defaults]", name);
	else if (near)
		fault(p, "%s is no key known to this version of pve-vgpu; did you mean '%s'?",
		      QUOTED(name), near);
	else
		fault(p, "%s is no key known to this version of pve-vgpu; remove the line", QUOTED(name));
}

static void read_said(struct parser *p, const char *name, const char *value, enum said *out)
{
	bool yes = false;
	char *why = value_yes(name, value, &yes);

	if (!why)
		*out = yes ? SAID_YES : SAID_NO;
	judge(p, why);
}

static void read_number(struct parser *p, const char *name, const char *value, unsigned int min,
			unsigned int max, const char *unit, unsigned int *out)
{
	unsigned long v;

	if (parse_ulong(value, min, max, &v) < 0)
		fault(p, "'%s': %s is out of place; write %s from %u to %u", name, QUOTED(value),
		      unit, min, max);
	else
		*out = (unsigned int)v;
}

/* PCI's Single Root I/O Virtualization counts VFs in 16 bits. */
static void read_vfs(struct parser *p, const char *value, struct node_keys *k)
{
	unsigned long v = 0;

	if (strcmp(value, "all") && parse_ulong(value, 1, 65535, &v) < 0) {
		fault(p, "'vfs': %s is out of place; write 'all' or a number from 1 on (sriov = no for none)",
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
		fault(p, "'scheduler': %s is none; write 'best-effort', 'equal-share' or 'fixed-share'",
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
		s->line = p->text.line;
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
		k->mixed_line = p->text.line;
	} else if (!strcmp(name, "sriov-wait") && p->scope == SCOPE_DEFAULTS) {
		judge(p, value_seconds(name, value, 1, 600, &p->out->sriov_wait_s));
	} else if (!scheduler_key(p, name, value, &k->scheduler)) {
		fault_unknown_key(p, name);
	}
}

static void vgpu_key(struct parser *p, const char *name, const char *value, struct node_vgpu *v)
{
	if (!strcmp(name, "type"))
		v->type = xstrdup(value);
	else if (!strcmp(name, "gpu"))
		judge(p, value_gpus(value, &v->gpus, &v->n_gpus, &v->boards));
	else if (!strcmp(name, "params"))
		judge(p, value_params(value, &v->params));
	else
		fault_unknown_key(p, name);
}

static void on_key(void *arg, const char *name, const char *value)
{
	struct parser *p = arg;
	unsigned int line = conf_keys_add(&p->keys, name, p->text.line);

	if (line)
		fault(p, "'%s' is there already, in line %u; remove one of the two", name, line);
	else if (p->scope == SCOPE_VGPU)
		vgpu_key(p, name, value, this_vgpu(p));
	else
		gpu_key(p, name, value, p->scope == SCOPE_GPU ? &this_gpu(p)->keys : &p->out->defaults);
}

/* --- sections --- */

/* What no single line can tell. */
static void check_scheduler(struct parser *p, const struct node_scheduler *s)
{
	char **slot = fault_of(p);

	if (!s->line)
		return;
	if (!s->has_policy)
		note(p, slot, s->line, "a scheduler's time is said and not which scheduler; add 'scheduler = equal-share' or "
		     "'scheduler = fixed-share'");
	else if (s->policy == SCHEDULER_BEST_EFFORT &&
		 (s->timeslice_ms || s->frequency_hz || s->averaging_factor))
		note(p, slot, s->line, "best-effort has neither time slice nor frequency; remove those lines, or write "
		     "'equal-share' or 'fixed-share'");
	else if (s->timeslice_ms && s->frequency_hz)
		note(p, slot, s->line, "'time-slice' is for scheduling without strict round robin, 'frequency' for "
		     "scheduling with it; remove one of the two");
	else if (s->averaging_factor && !s->frequency_hz)
		note(p, slot, s->line, "'averaging-factor' goes with 'frequency'; add that, or remove the line");
}

static void check_keys(struct parser *p, const struct node_keys *k)
{
	check_scheduler(p, &k->scheduler);
	if (k->mixed_size == SAID_YES && k->scheduler.has_policy &&
	    k->scheduler.policy == SCHEDULER_FIXED_SHARE)
		note(p, fault_of(p), k->mixed_line, "'mixed-size = yes' and 'scheduler = fixed-share' exclude each other; "
		     "mixed sizes take best-effort or equal-share");
}

/* The section is at its end. */
static void end_section(struct parser *p)
{
	if (p->scope == SCOPE_DEFAULTS)
		check_keys(p, &p->out->defaults);
	else if (p->scope == SCOPE_GPU)
		check_keys(p, &this_gpu(p)->keys);
	else if (p->scope == SCOPE_VGPU && !this_vgpu(p)->type)
		note(p, fault_of(p), this_vgpu(p)->line, "[vgpu %s] has no 'type'; add 'type = <name>'",
		     this_vgpu(p)->name);
	conf_keys_clear(&p->keys);
}

__attribute__((format(printf, 2, 3)))
static void lose_section(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);

	char *msg = at_line(p, p->text.line, fmt, ap);

	va_end(ap);
	p->scope = SCOPE_LOST;
	if (p->out->lost)
		strlist_take(&p->out->warnings, msg);
	else
		p->out->lost = msg;
}

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
		lose_section(p, "section gpu: %s is no PCI address and no board; write it as '[gpu 0000:3b:00.0]' or "
			     "'[gpu A40]': what follows is not read", QUOTED(name));
		return;
	}
	for (size_t i = 0; i < p->out->n_gpus; i++) {
		struct node_gpu *g = &p->out->gpus[i];

		if (!same_gpu(g, by_address ? &addr : NULL, name))
			continue;
		note(p, &g->fault, p->text.line, "section [gpu %s] is there already, in line %u; put the lines of both into one",
		     name, g->line);
		p->scope = SCOPE_REPEATED;
		return;
	}

	struct node_gpu *g = GROW(p->out->gpus, p->out->n_gpus);

	g->name = xstrdup(name);
	g->by_address = by_address;
	g->addr = addr;
	g->line = p->text.line;
	p->scope = SCOPE_GPU;
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
		lose_section(p, "section vgpu: %s is neither a UUID nor the address of a VF (`uuidgen` makes a UUID): what "
			     "follows is not read", QUOTED(text));
		return;
	}
	for (size_t i = 0; i < p->out->n_vgpus; i++) {
		struct node_vgpu *v = &p->out->vgpus[i];

		if (strcmp(v->name, name))
			continue;
		note(p, &v->fault, p->text.line, "section [vgpu %s] is there already, in line %u; put the lines of both into one",
		     name, v->line);
		p->scope = SCOPE_REPEATED;
		free(name);
		return;
	}

	struct node_vgpu *v = GROW(p->out->vgpus, p->out->n_vgpus);

	v->name = name;
	v->on_vf = on_vf;
	v->vf = vf;
	v->line = p->text.line;
	p->scope = SCOPE_VGPU;
}

/* A header; false if it cannot be read, and the section is lost. */
static bool begin_section(struct parser *p, const struct conf_line *l)
{
	end_section(p);
	if (l->kind == LINE_DEFAULTS)
		begin_defaults(p);
	else if (l->kind == LINE_LOST)
		lose_section(p, "%s: what follows is not read", l->why);
	else if (l->section == SECTION_GPU)
		begin_gpu(p, l->name);
	else
		begin_vgpu(p, l->name);
	return p->scope != SCOPE_LOST;
}

/* --- lines --- */

static bool check_line(void *arg, const char *line, size_t max)
{
	struct parser *p = arg;
	AUTO_CONF_LINE struct conf_line l = { 0 };

	conf_line_read(line, max, &sections, &l);
	if (conf_line_is_header(&l))
		return begin_section(p, &l) && strlen(line) <= max;
	if (p->scope == SCOPE_LOST || p->scope == SCOPE_REPEATED || l.kind == LINE_COMMENT)
		return false;
	if (p->scope == SCOPE_NONE && l.kind != LINE_GARBLED)
		fault(p, "%s stands before any section; put " FORMS " above it", QUOTED(line));
	else if (l.why)
		fault(p, "%s", l.why);
	else
		return true;
	return false;
}

static void nul_byte(void *arg)
{
	struct parser *p = arg;

	note(p, &p->out->fault, p->text.line, "NUL byte in the line; write the file anew");
	p->scope = SCOPE_LOST;
}

void node_conf_parse(const char *text, size_t len, const char *file, struct node_conf *out)
{
	struct parser p = {
		.out = out, .text = { .see = check_line, .nul = nul_byte, .key = on_key },
	};

	p.text.arg = &p;
	*out = (struct node_conf){ .sriov_wait_s = 120, .file = file };

	int rc = conf_text_read(&p.text, text, len);

	if (rc != 0 && !out->fault)
		out->fault = rc > 0 ? xasprintf("%s:%d: the line cannot be read", file, rc) :
				      xasprintf("%s: out of memory", file);
	end_section(&p);
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
