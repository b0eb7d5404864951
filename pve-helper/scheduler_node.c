/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "scheduler_node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "gpu_model.h"
#include "kernel_log.h"
#include "modprobe_conf.h"
#include "quote.h"
#include "scheduler_file.h"
#include "xalloc.h"

#define MODULE	"nvidia"
#define HEAD	"# Written by `pve-vgpu scheduler apply` from /" NODE_CONF_PATH "; what is changed here is lost.\n"

void scheduler_node_free(struct scheduler_node *n)
{
	for (size_t i = 0; i < n->n; i++) {
		free(n->gpus[i].model);
		err_clear(&n->gpus[i].err);
	}
	free(n->gpus);
	free(n->file);
	free(n->value);
	free(n->no_log);
}

char *scheduler_text(const struct scheduler *s)
{
	AUTO_FREE char *time = s->timeslice_ms ? xasprintf(", %u ms", s->timeslice_ms) : xstrdup("");
	AUTO_FREE char *rate = s->frequency_hz ? xasprintf(", %u Hz", s->frequency_hz) : xstrdup("");
	AUTO_FREE char *factor = s->averaging_factor ?
		xasprintf(", averaging factor %u", s->averaging_factor) : xstrdup("");

	return xasprintf("%s%s%s%s", scheduler_policy_name(s->policy), time, rate, factor);
}

/* --- what there is -------------------------------------------------------- */

/* What the value has for one GPU, as the driver's own parameters would show it. */
static void read_next(const char *value, const struct bdf *gpu, struct scheduler *out)
{
	AUTO_FREE char *as = xasprintf("RegistryDwordsPerDevice: \"%s\"\n", value);

	scheduler_parse(as, gpu, out);
}

static uint32_t value_of(const struct scheduler *s)
{
	return s->set ? s->value : 0;
}

static enum scheduler_state judge(const struct scheduler_gpu *g)
{
	bool runs = g->loaded && value_of(&g->running) == g->wanted.value;

	if (!g->wanted.set)
		return g->next.set ? SCHEDULER_APPLY : SCHEDULER_NOT_ASKED;
	if (g->next.set && g->next.value == g->wanted.value)
		return runs ? SCHEDULER_ACTIVE : SCHEDULER_REBOOT;
	/* Somebody else may have set the same. */
	return !g->next.set && runs ? SCHEDULER_ACTIVE : SCHEDULER_APPLY;
}

bool scheduler_runs(const struct scheduler_gpu *g, struct scheduler *out)
{
	*out = g->running;
	if (!g->loaded || !g->report.known)
		return g->loaded;
	/* Of another policy the parameters' times are not this one's. */
	if (g->report.policy != g->running.policy)
		*out = (struct scheduler){ .set = true, .policy = g->report.policy };
	if (g->report.timeslice_ms)
		out->timeslice_ms = g->report.timeslice_ms;
	return true;
}

/* The driver took the value, and does otherwise: a reboot would mend nothing. */
static enum scheduler_state check_report(struct scheduler_gpu *g)
{
	if (!g->report.known || g->report.policy == g->running.policy)
		return SCHEDULER_ACTIVE;
	fail(&g->err, -EIO, "the driver was loaded with %s, and its last line of it in the kernel's log has %s",
	     scheduler_policy_name(g->running.policy), scheduler_policy_name(g->report.policy));
	err_hint(&g->err, "nvidia-smi vgpu -ss shows what runs; boards up to Maxwell have best effort alone");
	return SCHEDULER_DIFFERS;
}

/* Sizes differ on it now, so that it is in mixed-size mode. */
static bool holds_sizes(const struct inventory *inv, const struct bdf *gpu)
{
	unsigned int size = 0;

	for (size_t i = 0; i < inv->nvgpus; i++) {
		const struct vgpu *v = &inv->vgpus[i];

		if (!v->on_gpu || !bdf_eq(&v->gpu, gpu) || !v->framebuffer_mib)
			continue;
		if (size && size != v->framebuffer_mib)
			return true;
		size = v->framebuffer_mib;
	}
	return false;
}

/* Whether this very GPU was meant, and not all of them. */
static bool is_named(const struct node_conf *c, const struct bdf *gpu)
{
	for (size_t i = 0; i < c->n_gpus; i++)
		if (c->gpus[i].by_address && c->gpus[i].keys.scheduler.line &&
		    bdf_eq(&c->gpus[i].addr, gpu))
			return true;
	return false;
}

/* What node.conf asks of it. */
static int read_wanted(const struct sriov_node *node, struct scheduler_gpu *g, struct err *e)
{
	AUTO_SRIOV struct sriov s = { 0 };
	struct node_keys k;
	int rc = sriov_node_keys(node, &g->addr, &k, e);

	if (rc < 0 || !k.scheduler.line)
		return rc;
	rc = sriov_look(&node->c->root, &g->addr, &s, e);
	if (rc < 0)
		return rc;
	if (s.vendor != PCI_VENDOR_NVIDIA) {
		if (!is_named(&node->conf, &g->addr))
			return 0;
		fail(e, -EINVAL, "'scheduler' is for NVIDIA's GPUs, and it is none");
		err_hint(e, "take the line out of [gpu %s] in /" NODE_CONF_PATH, BDF_STR(&g->addr));
		return -EINVAL;
	}
	scheduler_decode(node_scheduler_value(&k.scheduler), &g->wanted);
	if (g->wanted.policy != SCHEDULER_FIXED_SHARE || !holds_sizes(&node->inv, &g->addr))
		return 0;
	fail(e, -EBUSY, "it holds vGPUs of several sizes, and fixed share takes one size alone");
	err_hint(e, "stop those VMs, or write equal-share; `pve-vgpu list` shows the sizes");
	return -EBUSY;
}

static void add_gpu(const struct sriov_node *node, const struct bdf *addr,
		    const struct strlist *messages, struct scheduler_node *n)
{
	const struct root *r = &node->c->root;
	struct scheduler_gpu *g = GROW(n->gpus, n->n);
	int rc;

	g->addr = *addr;
	g->model = gpu_model(r, addr);
	g->loaded = scheduler_read(r, addr, &g->running) == 0;
	/* Without the driver its lines are of a load that is over. */
	if (g->loaded)
		scheduler_report_read(messages, addr, &g->report);
	if (n->value)
		read_next(n->value, addr, &g->next);
	rc = read_wanted(node, g, &g->err);
	g->state = rc < 0 ? SCHEDULER_FAULT : judge(g);
	if (g->state == SCHEDULER_ACTIVE)
		g->state = check_report(g);
}

/* What the driver has written of its schedulers; a log that cannot be read has nothing. */
static void read_log(const struct root *r, struct kernel_log *log, struct scheduler_node *n)
{
	AUTO_ERR struct err e = { 0 };

	if (kernel_log_read(r, SCHEDULER_LOG_PREFIX, log, &e) < 0)
		n->no_log = xstrdup(e.msg);
	else
		n->no_log = xstrdup(log->whole ? "the kernel's log has no line of the driver's that tells it" :
				    "the kernel's log has gone round, and its oldest lines are lost");
}

/* Our file; one of somebody else's by that name is left to him. */
static int read_file(const struct root *r, struct scheduler_node *n, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	unsigned int line;
	size_t len;
	int rc = root_read(r, SCHEDULER_PATH, &n->file, &len, &why);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return err_move(e, &why, rc);
	n->value = modprobe_value(n->file, MODULE, SCHEDULER_PARAM, &line);
	return 0;
}

int scheduler_node_read(const struct sriov_node *node, struct scheduler_node *out, struct err *e)
{
	AUTO_BDF_LIST struct bdf_list gpus = { 0 };
	AUTO_KERNEL_LOG struct kernel_log log = { 0 };
	int rc = read_file(&node->c->root, out, e);

	if (rc == 0)
		rc = gpu_list(&node->c->root, PCI_VENDOR_NVIDIA, &gpus, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < node->conf.n_gpus; i++) {
		const struct node_gpu *g = &node->conf.gpus[i];

		if (g->by_address && (g->keys.scheduler.line || g->fault) && !bdf_list_has(&gpus, &g->addr))
			bdf_list_add(&gpus, &g->addr);
	}
	bdf_list_sort(&gpus);
	read_log(&node->c->root, &log, out);
	for (size_t i = 0; i < gpus.n; i++)
		add_gpu(node, &gpus.b[i], &log.messages, out);
	return 0;
}

char *scheduler_mend(const struct scheduler_gpu *g)
{
	if (g->state == SCHEDULER_REBOOT)
		return xstrdup(SCHEDULER_DUE);
	if (g->state == SCHEDULER_APPLY)
		return xstrdup("pve-vgpu scheduler apply");
	return g->err.hint ? xstrdup(g->err.hint) : NULL;
}

bool scheduler_waits(const struct scheduler_node *n)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->gpus[i].state == SCHEDULER_REBOOT)
			return true;
	return false;
}

/* --- who else sets it ----------------------------------------------------- */

static int refuse_other(const char *where, const char *mine, struct err *e)
{
	fail(e, -EEXIST, "%s sets " SCHEDULER_PARAM ", too, and of two values the driver takes the last one alone", where);
	if (*mine)
		err_hint(e, "take it out there; or leave it to that line, take the schedulers out of /" NODE_CONF_PATH
			 ", and add to its value: %s", mine);
	return -EEXIST;
}

static bool is_conf(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && !strcmp(name + len - 5, ".conf");
}

/* The kernel's command line, and what modprobe reads: files by their names, of each the first folder's. */
static int check_others(const struct root *r, const char *mine, struct err *e)
{
	static const char *const dirs[] = {
		SCHEDULER_DIR, "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d",
	};
	AUTO_STRLIST struct strlist seen = { 0 };
	AUTO_FREE char *cmdline = NULL;
	size_t len;

	if (root_read(r, "proc/cmdline", &cmdline, &len, NULL) == 0) {
		AUTO_FREE char *value = modprobe_cmdline_value(cmdline, MODULE, SCHEDULER_PARAM);

		if (value)
			return refuse_other("the kernel's command line", mine, e);
	}
	strlist_add(&seen, SCHEDULER_NAME);
	for (size_t d = 0; d < ARRAY_SIZE(dirs); d++) {
		AUTO_STRLIST struct strlist names = { 0 };

		root_list(r, dirs[d], &names, NULL);
		strlist_sort(&names);
		for (size_t i = 0; i < names.n; i++) {
			AUTO_FREE char *path = xasprintf("%s/%s", dirs[d], names.s[i]);
			AUTO_FREE char *text = NULL, *value = NULL;
			unsigned int line;

			if (!is_conf(names.s[i]) || strlist_has(&seen, names.s[i]))
				continue;
			strlist_add(&seen, names.s[i]);
			if (root_read(r, path, &text, &len, NULL) < 0)
				continue;
			value = modprobe_value(text, MODULE, SCHEDULER_PARAM, &line);
			if (!value)
				continue;

			AUTO_FREE char *where = xasprintf("/%s:%u", path, line);

			return refuse_other(where, mine, e);
		}
	}
	return 0;
}

/* --- the file ------------------------------------------------------------- */

/* "pci=0000:3b:00.0;RmPVMRL=0x11;pci=…"; "" where nothing is asked for. The caller frees it. */
static char *make_value(const struct scheduler_node *n)
{
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < n->n; i++)
		if (n->gpus[i].wanted.set)
			fprintf(f, "%spci=%s;RmPVMRL=0x%02x", ftell(f) ? ";" : "", BDF_STR(&n->gpus[i].addr),
				n->gpus[i].wanted.value);
	fclose(f);
	return text;
}

static int check_faults(const struct scheduler_node *n, struct err *e)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct scheduler_gpu *g = &n->gpus[i];

		if (g->state != SCHEDULER_FAULT)
			continue;
		fail(e, -EINVAL, "GPU %s: %s", BDF_STR(&g->addr), g->err.msg);
		if (g->err.hint)
			err_hint(e, "%s", g->err.hint);
		return -EINVAL;
	}
	return 0;
}

/*
 * A GPU of no known board would be taken for none of those in node.conf, and
 * lose what it has.
 */
static int check_boards(const struct sriov_node *node, const struct scheduler_node *n, struct err *e)
{
	bool boards = false;

	for (size_t i = 0; i < node->conf.n_gpus; i++)
		boards |= !node->conf.gpus[i].by_address && node->conf.gpus[i].keys.scheduler.line;
	for (size_t i = 0; i < n->n && boards; i++) {
		const struct scheduler_gpu *g = &n->gpus[i];

		if (g->model || inventory_gpu(&node->inv, &g->addr) || is_named(&node->conf, &g->addr))
			continue;
		fail(e, -EAGAIN, "GPU %s: which board it is is not known, for the driver nvidia does not have it",
		     BDF_STR(&g->addr));
		err_hint(e, "modprobe nvidia; or name the GPU by its address: [gpu %s]", BDF_STR(&g->addr));
		return -EAGAIN;
	}
	return 0;
}

static int check_file(const struct scheduler_node *n, struct err *e)
{
	if (!n->file || !strncmp(n->file, HEAD, strlen(HEAD)))
		return 0;
	fail(e, -EEXIST, "'/" SCHEDULER_PATH "' was not written by pve-vgpu, so it is left alone");
	err_hint(e, "give it another name, such as " MODULE ".conf, and then again");
	return -EEXIST;
}

static int check_length(const char *value, struct err *e)
{
	if (strlen(value) <= MODPROBE_VALUE_MAX)
		return 0;
	fail(e, -E2BIG, "for so many GPUs the value of " SCHEDULER_PARAM " has %zu characters, and the kernel takes %d",
	     strlen(value), MODPROBE_VALUE_MAX);
	err_hint(e, "where most have the same scheduler: options " MODULE " NVreg_RegistryDwords=\"RmPVMRL=…\" in a file of "
		 "your own in /" SCHEDULER_DIR ", and in /" NODE_CONF_PATH " those that differ");
	return -E2BIG;
}

static int change_file(const struct root *r, const char *text, char **done, struct err *e)
{
	int rc = *text ? root_mkdir(r, SCHEDULER_DIR, e) : 0;

	if (rc == 0)
		rc = *text ? root_replace(r, SCHEDULER_PATH, text, 0644, e) : root_unlink(r, SCHEDULER_PATH, e);
	if (rc == -EROFS)
		err_hint(e, "/etc must be writable for it: findmnt -T /" SCHEDULER_DIR);
	if (rc == 0)
		*done = xasprintf("/" SCHEDULER_PATH " %s", *text ? "written" : "removed");
	return rc;
}

int scheduler_apply(const struct sriov_node *node, const struct scheduler_node *n, char **done,
		    struct err *e)
{
	const struct root *r = &node->c->root;
	AUTO_FREE char *value = make_value(n);
	AUTO_FREE char *text = *value ?
		xasprintf(HEAD "options " MODULE " " SCHEDULER_PARAM "=\"%s\"\n", value) : xstrdup("");
	int rc = check_faults(n, e);

	/* A section that cannot be read may be of any GPU. */
	if (rc == 0 && (node->conf.fault || node->conf.lost))
		rc = fail(e, -EINVAL, "%s", node->conf.fault ? node->conf.fault : node->conf.lost);
	if (rc == 0)
		rc = check_boards(node, n, e);
	if (rc == 0)
		rc = check_file(n, e);
	if (rc == 0 && *value)
		rc = check_others(r, value, e);
	if (rc == 0)
		rc = check_length(value, e);
	if (rc < 0)
		return rc;
	if (!strcmp(n->file ? n->file : "", text))
		*done = xstrdup(*text ? "/" SCHEDULER_PATH " is as it is to be" : "no scheduler is asked for");
	else if (node->c->dry_run)
		*done = *text ? xasprintf("would write /" SCHEDULER_PATH ":\n%s", text) :
			xstrdup("would remove /" SCHEDULER_PATH);
	else
		return change_file(r, text, done, e);
	return 0;
}
