/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sriov_nvidia.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "mig.h"
#include "process.h"
#include "quote.h"
#include "sriov_use.h"
#include "xalloc.h"

#define DRIVER		"nvidia"
#define PF_STUB		"pci-pf-stub"		/* has the GPU while sriov-manage is at work */
#define VGPUD		"nvidia-vgpud.service"

#define POLL_MS		100
#define PATIENCE_MS	15000			/* for what a program has set going */
#define PACE_MS		2000			/* between two tries */
#define SETTLE_MS	2000			/* types may follow the VFs */

/* A try. */
struct attempt {
	bool locked;		/* another program has the GPU */
	int status;
	char *said;		/* its last line, owned */
};

static void attempt_free(struct attempt *a)
{
	free(a->said);
}

/* An eighth of the whole wait at the most, so that a short one has room for tries, too. */
static int64_t share(const struct sriov_job *j, int64_t ms)
{
	int64_t part = (int64_t)j->n->conf.sriov_wait_s * 1000 / 8;

	return ms < part ? ms : part;
}

static int look(const struct sriov_job *j, struct sriov *s, struct err *e)
{
	struct sriov now;
	int rc = sriov_look(&j->n->c->root, &j->gpu, &now, e);

	if (rc < 0)
		return rc;
	sriov_free(s);
	*s = now;
	return 0;
}

static void done(struct sriov_job *j, char *line)
{
	strlist_take(&j->done, line);
}

/* The last line that is not empty; the caller frees it. */
static char *last_line(const char *text)
{
	size_t end = strlen(text), begin;

	while (end && (text[end - 1] == '\n' || text[end - 1] == ' '))
		end--;
	for (begin = end; begin && text[begin - 1] != '\n'; begin--)
		;
	return xstrndup(text + begin, end - begin);
}

/* --- what stands in the way ------------------------------------------------ */

/* sriov-manage may leave the GPU without its driver, as when it is cut off. */
static int check_driver(const struct sriov *s, struct err *e)
{
	const char *at = BDF_STR(&s->addr);

	if (!strcmp(s->driver, DRIVER))
		return 0;
	if (!strcmp(s->driver, PF_STUB)) {
		fail(e, -EIO, "the GPU is left on the driver " PF_STUB ", as by a sriov-manage that was cut off");
		err_hint(e, "echo %s > /sys/bus/pci/drivers/" PF_STUB "/unbind; echo %s > /sys/bus/pci/drivers/nvidia/bind; "
			 "then again", at, at);
	} else if (*s->driver) {
		fail(e, -EINVAL, "the GPU is bound to the driver %s, and NVIDIA's vGPUs need nvidia", QUOTED(s->driver));
		err_hint(e, "`lspci -nnk -s %s` shows who can have it; driverctl list-overrides and /etc/modprobe.d who was told to", at);
	} else {
		fail(e, -EIO, "the GPU is left without a driver");
		err_hint(e, "echo %s > /sys/bus/pci/drivers/nvidia/bind (dmesg | grep NVRM says why, where that fails); then again", at);
	}
	return -EIO;
}

static enum ailment ailment_of(const struct sriov_job *j)
{
	const struct sick_gpu *sick = health_of(&j->n->health, &j->gpu);

	return sick ? sick->what : AILMENT_NONE;
}

/* What no sriov-manage mends. */
int sriov_nvidia_check(const struct sriov_job *j, struct err *e)
{
	enum ailment a = ailment_of(j);
	AUTO_FREE char *cure = health_cure(a, &j->gpu);

	switch (a) {
	case AILMENT_NONE:
	case AILMENT_NO_VFS:
	case AILMENT_VFS_UNBOUND:
	case AILMENT_SOME_UNBOUND:
	case AILMENT_NO_TYPES:
		return 0;
	case AILMENT_PASSTHROUGH:
		fail(e, -EBUSY, "%s", health_cause(a));
		err_hint(e, "if it is meant so: [gpu %s] sriov = no in /" NODE_CONF_PATH "; if not: %s", BDF_STR(&j->gpu), cure);
		return -EBUSY;
	case AILMENT_NOUVEAU:
	case AILMENT_UNBOUND:
	case AILMENT_NO_DRIVER:
	case AILMENT_PLAIN_DRIVER:
	case AILMENT_NO_IOMMU:
		break;
	}
	fail(e, -ENODEV, "%s", health_cause(a));
	err_hint(e, "%s", cure);
	return -ENODEV;
}

/* Nobody may be on the GPU when it is taken from its driver. */
static int check_unused(const struct sriov_job *j, const struct sriov *s, struct err *e)
{
	AUTO_STRLIST struct strlist users = { 0 };
	int rc = sriov_users(&j->n->c->root, &j->n->inv, s, &users, e);

	if (rc < 0 || !users.n)
		return rc;

	AUTO_FREE char *list = strlist_join(&users, "; ");

	fail(e, -EBUSY, "it is in use: %s", list);
	err_hint(e, "stop those VMs, or `pve-vgpu remove` what is standalone; `pve-vgpu list --json` shows all of it");
	return -EBUSY;
}

/* sriov-manage takes MIG's instances along. */
static int check_instances(const struct sriov_job *j, struct err *e)
{
	AUTO_FREE unsigned int *ids = NULL;
	int n = mig_proc_ids(&j->n->c->root, &j->gpu, &ids);
	const char *at = BDF_STR(&j->gpu);

	if (n <= 0)
		return 0;
	fail(e, -EBUSY, "it has %d MIG GPU instance%s, which would be lost", n, n == 1 ? "" : "s");
	err_hint(e, "nvidia-smi mig -i %s -dci; nvidia-smi mig -i %s -dgi; make them again when the VFs are there", at, at);
	return -EBUSY;
}

/* --- sriov-manage ---------------------------------------------------------- */

/* That makes the VFs, or removes them. */
static const char *option(bool vfs)
{
	return vfs ? "-e" : "-d";
}

static int manage(struct sriov_job *j, bool vfs, int64_t deadline, struct attempt *a, struct err *e)
{
	const char *at = BDF_STR(&j->gpu);
	const char *const args[] = { option(vfs), at, NULL };
	struct process p = { .program = SRIOV_MANAGE, .args = args };
	AUTO_PROCESS struct process_result res;
	int64_t left = deadline - clock_ms();
	int rc;

	p.timeout_ms = left > 1000 ? (int)left : 1000;
	rc = process_run(&j->n->c->root, &p, &res, e);
	if (rc == -ENOENT)
		err_hint(e, "it comes with NVIDIA's vGPU host driver (the package with vgpu-kvm in its name), and not with the plain driver");
	else if (rc == -ETIMEDOUT)
		err_hint(e, "dmesg | grep NVRM may tell why; `pve-vgpu sriov status %s` shows what it has left; sriov-wait in /"
			 NODE_CONF_PATH " gives it more time", at);
	if (rc < 0)
		return rc;
	a->status = res.status;
	a->locked = strcasestr(res.out, "unbindLock");
	a->said = last_line(res.out);
	return 0;
}

/* Wait until the GPU has its VFs, or none. Whether it has come to that. */
static bool wait_for(const struct sriov_job *j, struct sriov *s, bool vfs, int64_t until)
{
	for (;;) {
		if (look(j, s, NULL) == 0 && !strcmp(s->driver, DRIVER) &&
		    (vfs ? sriov_complete(s) : !s->num && !s->vfs.n))
			return true;
		if (clock_ms() >= until)
			return false;
		clock_sleep_ms(POLL_MS);
	}
}

/* Why a try has not done it, in words; it may be tried again where the driver is in its place. */
static int judge(const struct sriov_job *j, const struct sriov *s, const struct attempt *a, bool vfs,
		 struct err *e)
{
	const char *at = BDF_STR(&j->gpu);
	int rc = check_driver(s, e);

	if (rc < 0)
		return rc;
	if (a->locked) {
		fail(e, -EAGAIN, "another program has the GPU, and sriov-manage cannot take it: %s", QUOTED(a->said));
		err_hint(e, "stop what asks NVML (nvidia-persistenced, DCGM, monitoring, nvidia-smi -l; `fuser -v /dev/nvidia*` "
			 "shows it), then again");
		return -EAGAIN;
	}
	if (a->status) {
		fail(e, -EIO, "'/" SRIOV_MANAGE "' failed with status %d: %s", a->status, QUOTED(a->said));
		err_hint(e, "dmesg | grep -i -e NVRM -e %s may tell why", at);
		return -EIO;
	}
	if (!vfs)
		fail(e, -EAGAIN, "'/" SRIOV_MANAGE "' reported success, and %zu VFs are still there", s->vfs.n);
	else if (!s->num)
		fail(e, -EAGAIN, "'/" SRIOV_MANAGE "' reported success, and there are no VFs");
	else
		fail(e, -EAGAIN, "'/" SRIOV_MANAGE "' reported success, and of %u VFs %zu are there and %zu bound to a driver",
		     s->num, s->vfs.n, s->bound);
	err_hint(e, "dmesg | grep -i -e NVRM -e %s may tell why; VFs need room for their memory: Above 4G Decoding, SR-IOV and ARI "
		 "in the firmware, pci=realloc on the kernel command line", at);
	return -EAGAIN;
}

/*
 * Try until it is done or the time is over. One that is cut off can leave the
 * GPU without its driver, so none is begun that has less than twice the time
 * which the longest has taken.
 */
static int manage_until(struct sriov_job *j, struct sriov *s, bool vfs, int64_t deadline,
			struct err *e)
{
	int64_t longest = 0;

	for (;;) {
		__attribute__((cleanup(attempt_free))) struct attempt a = { 0 };
		AUTO_ERR struct err why = { 0 };
		int64_t begun = clock_ms();
		int rc = manage(j, vfs, deadline, &a, &why);

		if (clock_ms() - begun > longest)
			longest = clock_ms() - begun;

		int64_t until = clock_ms() + share(j, a.locked || a.status ? POLL_MS : PATIENCE_MS);

		if (rc == -ETIMEDOUT && look(j, s, NULL) == 0 && check_driver(s, NULL) < 0)
			check_driver(s, &why);
		if (rc < 0)
			return err_move(e, &why, rc);
		if (wait_for(j, s, vfs, until < deadline ? until : deadline))
			return 0;
		rc = judge(j, s, &a, vfs, &why);
		if (rc != -EAGAIN || clock_ms() + share(j, PACE_MS) + 2 * longest >= deadline)
			return err_move(e, &why, rc == -EAGAIN ? -EBUSY : rc);
		clock_sleep_ms((int)share(j, PACE_MS));
	}
}

/* --- from one state to the next -------------------------------------------- */

/* All VFs made, or all removed. */
static int change_vfs(struct sriov_job *j, struct sriov *s, bool vfs, int64_t deadline, struct err *e)
{
	int rc = check_unused(j, s, e);

	if (rc == 0)
		rc = check_instances(j, e);
	if (rc < 0)
		return rc;
	if (j->n->c->dry_run) {
		done(j, xasprintf("would run /" SRIOV_MANAGE " %s %s", option(vfs), BDF_STR(&j->gpu)));
		return 0;
	}
	rc = manage_until(j, s, vfs, deadline, e);
	if (rc == 0)
		done(j, vfs ? xasprintf("%u VFs enabled", s->num) : xstrdup("VFs removed"));
	return rc;
}

static int restart_vgpud(struct sriov_job *j, int64_t deadline, struct err *e)
{
	static const char *const args[] = { "restart", VGPUD, NULL };
	struct process p = { .program = "usr/bin/systemctl", .args = args };
	AUTO_PROCESS struct process_result res;
	int64_t left = deadline - clock_ms();
	int rc;

	p.timeout_ms = left > 1000 ? (int)left : 1000;
	rc = process_run(&j->n->c->root, &p, &res, e);
	if (rc == 0 && res.status) {
		AUTO_FREE char *said = last_line(res.out);

		rc = fail(e, -EIO, "'%s restart " VGPUD "' failed with status %d: %s", res.path, res.status,
			  QUOTED(said));
	}
	if (rc < 0)
		err_hint(e, "journalctl -b -u nvidia-vgpud says why: a board that this driver has no vGPUs for, or the wrong driver");
	return rc;
}

/* Types follow the VFs; in MIG mode they follow the instances, which come later. */
static int wait_for_types(struct sriov_job *j, int64_t until, enum ailment *a, struct err *e)
{
	for (;;) {
		int rc = sriov_node_look(j->n, e);

		if (rc < 0)
			return rc;
		*a = ailment_of(j);
		if (*a != AILMENT_NO_TYPES || clock_ms() >= until)
			return 0;
		clock_sleep_ms(POLL_MS);
	}
}

static bool in_mig_mode(const struct sriov_job *j)
{
	const struct gpu *g = inventory_gpu(&j->n->inv, &j->gpu);
	struct mig m = { .mode = MIG_UNKNOWN };

	if (g)
		mig_look(&j->n->c->root, &j->n->inv, g, &m);
	return m.mode == MIG_ON;
}

/* The VFs are there. */
static int see_types(struct sriov_job *j, int64_t deadline, struct err *e)
{
	enum ailment a;
	int rc = wait_for_types(j, clock_ms() + share(j, SETTLE_MS), &a, e);

	if (rc < 0 || a != AILMENT_NO_TYPES || in_mig_mode(j))
		return rc;
	if (j->n->c->dry_run) {
		done(j, xstrdup("would run systemctl restart " VGPUD));
		return 0;
	}
	rc = restart_vgpud(j, deadline, e);
	if (rc == 0)
		rc = wait_for_types(j, clock_ms() + share(j, PATIENCE_MS), &a, e);
	if (rc < 0)
		return fail_in(e, rc, "the VFs show no vGPU types");
	if (a != AILMENT_NO_TYPES) {
		done(j, xstrdup("types missing; " VGPUD " run again"));
		return 0;
	}
	fail(e, -ENODATA, "the VFs show no vGPU types, also after " VGPUD " has run again");
	err_hint(e, "journalctl -b -u nvidia-vgpud says why: a board that this driver has no vGPUs for, or MIG mode without "
		 "instances (nvidia-smi mig -i %s -cgi <profile> -C)", BDF_STR(&j->gpu));
	return -ENODATA;
}

int sriov_nvidia_enable(struct sriov_job *j, struct sriov *s, int64_t deadline, struct err *e)
{
	bool dry = j->n->c->dry_run;
	int rc = check_driver(s, e);

	if (rc < 0)
		return rc;
	if (sriov_complete(s)) {
		rc = see_types(j, deadline, e);
		if (rc == 0 && !j->done.n)
			done(j, xasprintf("%u of %u VFs are there", s->num, s->total));
		return rc;
	}
	/* VFs that came up without their driver get one only by a new turn. */
	if (s->vfs.n)
		rc = change_vfs(j, s, false, deadline, e);
	if (rc == 0)
		rc = change_vfs(j, s, true, deadline, e);
	return rc < 0 || dry ? rc : see_types(j, deadline, e);
}

int sriov_nvidia_disable(struct sriov_job *j, struct sriov *s, int64_t deadline, struct err *e)
{
	return change_vfs(j, s, false, deadline, e);
}
