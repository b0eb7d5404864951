/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sriov_vfs.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "lock.h"
#include "nvidia_smi.h"
#include "scheduler_file.h"
#include "sriov_nvidia.h"
#include "sriov_units.h"
#include "sriov_use.h"
#include "xalloc.h"

#define TURN_MS		600000		/* until other GPUs are done */
#define DRIVER_MS	60000		/* until the GPU's driver is done with what a start has asked for */
#define APPEAR_MS	5000		/* the kernel makes VFs before the write returns; drivers may take a moment */
#define POLL_MS		100

void sriov_job_free(struct sriov_job *j)
{
	strlist_free(&j->done);
}

static void done(struct sriov_job *j, char *line)
{
	strlist_take(&j->done, line);
}

/* --- others than NVIDIA: sriov_numvfs -------------------------------------- */

static int check_unused(struct sriov_job *j, const struct sriov *s, struct err *e)
{
	AUTO_STRLIST struct strlist users = { 0 };
	int rc = sriov_users(&j->n->c->root, &j->n->inv, s, &users, e);

	if (rc < 0 || !users.n)
		return rc;

	AUTO_FREE char *list = strlist_join(&users, "; ");

	fail(e, -EBUSY, "it has %u VFs, and they are in use: %s", s->num, list);
	err_hint(e, "stop those VMs first");
	return -EBUSY;
}

static int wait_for_number(struct sriov_job *j, struct sriov *s, unsigned int n, struct err *e)
{
	int64_t until = clock_ms() + APPEAR_MS;

	for (;;) {
		struct sriov now;
		int rc = sriov_look(&j->n->c->root, &j->gpu, &now, e);

		if (rc < 0)
			return rc;
		sriov_free(s);
		*s = now;
		if (s->num == n && s->vfs.n == n)
			return 0;
		if (clock_ms() >= until)
			break;
		clock_sleep_ms(POLL_MS);
	}
	fail(e, -EIO, "sriov_numvfs took %u, and %zu VFs are there", n, s->vfs.n);
	err_hint(e, "dmesg | grep %s may tell why", BDF_STR(&j->gpu));
	return -EIO;
}

static int write_number(struct sriov_job *j, struct sriov *s, unsigned int n, struct err *e)
{
	int rc;

	if (j->n->c->dry_run) {
		done(j, xasprintf("would write %s%u to /sys/bus/pci/devices/%s/sriov_numvfs",
				  s->num && n ? "0 and " : "", n, BDF_STR(&j->gpu)));
		return 0;
	}
	rc = sriov_write(&j->n->c->root, s, n, e);
	if (rc < 0) {
		err_hint(e, "the driver of the GPU must be loaded and allow VFs (its module's options; SR-IOV in the firmware): "
			 "lspci -vnnk -s %s; dmesg | grep %s", BDF_STR(&j->gpu), BDF_STR(&j->gpu));
		return rc;
	}
	rc = wait_for_number(j, s, n, e);
	if (rc == 0)
		done(j, n ? xasprintf("%u VFs enabled", n) : xstrdup("VFs removed"));
	return rc;
}

static int plain_enable(struct sriov_job *j, struct sriov *s, const struct node_keys *k, struct err *e)
{
	unsigned int n = k->vfs ? k->vfs : s->total;
	int rc;

	if (n > s->total) {
		fail(e, -ERANGE, "'vfs = %u' is more than it can have: %u", n, s->total);
		err_hint(e, "write 'vfs = %u' or 'vfs = all' into /" NODE_CONF_PATH, s->total);
		return -ERANGE;
	}
	if (s->num && (s->num == n || !k->has_vfs)) {
		done(j, xasprintf("%u of %u VFs are there", s->num, s->total));
		return 0;
	}
	if (!strcmp(s->driver, "vfio-pci")) {
		fail(e, -EBUSY, "the GPU itself is bound to vfio-pci, as for passing it through whole");
		err_hint(e, "if it is meant so: [gpu %s] sriov = no in /" NODE_CONF_PATH "; if not, take it out of /etc/modprobe.d, the "
			 "kernel command line and driverctl's overrides, and reboot", BDF_STR(&j->gpu));
		return -EBUSY;
	}
	rc = s->num ? check_unused(j, s, e) : 0;
	return rc < 0 ? rc : write_number(j, s, n, e);
}

static int plain_disable(struct sriov_job *j, struct sriov *s, struct err *e)
{
	int rc = check_unused(j, s, e);

	return rc < 0 ? rc : write_number(j, s, 0, e);
}

/* --- mixed sizes ----------------------------------------------------------- */

static int set_mixed(struct sriov_job *j, struct err *e)
{
	const char *at = BDF_STR(&j->gpu);
	const char *const args[] = { "vgpu", "-i", at, "-shm", "1", NULL };
	AUTO_FREE char *text = NULL;
	int rc = nvidia_smi(&j->n->c->root, args, NVIDIA_SMI_MS, &text, e);

	if (rc < 0) {
		err_hint(e, "mixed sizes need vGPU 17 or later and a GPU that can do it; without them: mixed-size = no in /"
			 NODE_CONF_PATH);
		return fail_in(e, rc, "set mixed-size mode");
	}
	done(j, xstrdup("mixed-size mode set"));
	return 0;
}

/*
 * Behind the VFs, for sriov-manage ends the mode, and before the first vGPU, for
 * then it can no longer be set.
 */
static int mixed(struct sriov_job *j, const struct sriov *s, const struct node_keys *k, struct err *e)
{
	AUTO_FREE char *against = NULL;
	AUTO_STRLIST struct strlist users = { 0 };
	int rc;

	if (k->mixed_size != SAID_YES || s->vendor != PCI_VENDOR_NVIDIA)
		return 0;
	against = scheduler_against_sizes(&j->n->c->root, &j->gpu);
	if (against) {
		fail(e, -EINVAL, "mixed-size mode cannot be set: %s", against);
		err_hint(e, "write another scheduler, or mixed-size = no, into /" NODE_CONF_PATH "; `pve-vgpu scheduler apply` and a "
			 "reboot change the scheduler");
		return -EINVAL;
	}
	if (j->n->c->dry_run) {
		done(j, xasprintf("would run nvidia-smi vgpu -i %s -shm 1", BDF_STR(&j->gpu)));
		return 0;
	}
	/* Whoever makes them, Proxmox's unit as it may be, ends the mode by that. */
	if (!s->num) {
		done(j, xasprintf("mixed-size mode not set, for the VFs are not there: when they are, pve-vgpu sriov enable %s sets it",
				  BDF_STR(&j->gpu)));
		return 0;
	}
	rc = sriov_users(&j->n->c->root, &j->n->inv, s, &users, e);
	if (rc < 0)
		return rc;
	if (!users.n)
		return set_mixed(j, e);
	done(j, xasprintf("mixed-size mode left as it is, for the GPU holds vGPUs: when they are gone, pve-vgpu sriov enable %s sets it",
			  BDF_STR(&j->gpu)));
	return 0;
}

/* --- the whole ------------------------------------------------------------- */

struct held {
	struct lock turn, gpu;
};

static void let_go(struct held *h)
{
	lock_drop(&h->gpu);
	lock_drop(&h->turn);
}

static int take_locks(struct sriov_job *j, const char *who, struct held *h, struct err *e)
{
	const struct root *r = &j->n->c->root;
	int rc;

	if (j->n->c->dry_run)
		return 0;
	rc = lock_sriov(r, who, clock_ms() + TURN_MS, &h->turn, e);
	if (rc == 0)
		rc = lock_gpu(r, &j->gpu, who, clock_ms() + DRIVER_MS, &h->gpu, e);
	/* Others may have changed it meanwhile, and from here on none of ours does. */
	return rc < 0 ? rc : sriov_node_look(j->n, e);
}

static int check_capable(const struct sriov *s, struct err *e)
{
	if (s->capable)
		return 0;
	fail(e, -EOPNOTSUPP, "the GPU has no SR-IOV");
	if (s->vendor == PCI_VENDOR_NVIDIA)
		err_hint(e, "boards before Ampere have their vGPUs on the GPU itself: `pve-vgpu types` shows them; later ones may have it "
			 "switched off in the firmware, or, with display outputs, by the display mode (NVIDIA's displaymodeselector)");
	else
		err_hint(e, "SR-IOV may be switched off in the firmware, or its driver does not offer it: lspci -vnnk -s %s",
			 BDF_STR(&s->addr));
	return -EOPNOTSUPP;
}

/* Whether Proxmox's own unit has this GPU, and what follows. 1: nothing more is to be done about its VFs. */
static int other_unit(struct sriov_job *j, const struct sriov *s, struct err *e)
{
	AUTO_FREE char *unit = s->vendor == PCI_VENDOR_NVIDIA ?
		sriov_pve_unit(&j->n->c->root, &j->gpu) : NULL;

	if (!unit)
		return 0;
	if (sriov_complete(s) || j->configured) {
		done(j, xasprintf("%u of %u VFs are there; they are left to Proxmox's %s, which is enabled", s->num, s->total, unit));
		return 1;
	}
	fail(e, -EBUSY, "SR-IOV is left to Proxmox's %s, which is enabled, and the VFs are not there", unit);
	err_hint(e, "systemctl restart %s; or let pve-vgpu do it: systemctl disable %s, and sriov = yes in /" NODE_CONF_PATH,
		 unit, unit);
	return -EBUSY;
}

static int enable_vfs(struct sriov_job *j, struct sriov *s, const struct node_keys *k, struct err *e)
{
	int64_t deadline = clock_ms() + (int64_t)j->n->conf.sriov_wait_s * 1000;
	int rc = other_unit(j, s, e);

	if (rc)
		return rc < 0 ? rc : 0;
	if (s->vendor == PCI_VENDOR_NVIDIA)
		return sriov_nvidia_enable(j, s, deadline, e);
	return plain_enable(j, s, k, e);
}

int sriov_enable(struct sriov_job *j, struct err *e)
{
	AUTO_SRIOV struct sriov s = { 0 };
	__attribute__((cleanup(let_go))) struct held locks = { LOCK_NONE, LOCK_NONE };
	AUTO_FREE char *who = xasprintf("sriov enable %s", BDF_STR(&j->gpu));
	struct node_keys k;
	int rc = sriov_node_keys(j->n, &j->gpu, &k, e);

	if (rc < 0)
		return rc;
	if (j->configured && k.sriov != SAID_YES) {
		done(j, xstrdup("/" NODE_CONF_PATH " does not ask for its VFs"));
		return 0;
	}
	rc = take_locks(j, who, &locks, e);
	if (rc == 0)
		rc = sriov_look(&j->n->c->root, &j->gpu, &s, e);
	if (rc == 0 && s.vendor == PCI_VENDOR_NVIDIA)
		rc = sriov_nvidia_check(j, e);
	if (rc == 0)
		rc = check_capable(&s, e);
	if (rc == 0)
		rc = enable_vfs(j, &s, &k, e);
	return rc < 0 ? rc : mixed(j, &s, &k, e);
}

/* Who makes the VFs again at the next boot. */
static void note_boot(struct sriov_job *j, const struct sriov *s)
{
	AUTO_FREE char *unit = s->vendor == PCI_VENDOR_NVIDIA ?
		sriov_pve_unit(&j->n->c->root, &j->gpu) : NULL;
	struct node_keys k;

	if (unit)
		done(j, xasprintf("Proxmox's %s enables them again at the next boot", unit));
	else if (sriov_node_keys(j->n, &j->gpu, &k, NULL) == 0 && k.sriov == SAID_YES)
		done(j, xstrdup("/" NODE_CONF_PATH " enables them again at the next boot"));
}

int sriov_disable(struct sriov_job *j, struct err *e)
{
	AUTO_SRIOV struct sriov s = { 0 };
	__attribute__((cleanup(let_go))) struct held locks = { LOCK_NONE, LOCK_NONE };
	AUTO_FREE char *who = xasprintf("sriov disable %s", BDF_STR(&j->gpu));
	int64_t deadline;
	int rc = take_locks(j, who, &locks, e);

	if (rc == 0)
		rc = sriov_look(&j->n->c->root, &j->gpu, &s, e);
	if (rc < 0)
		return rc;
	if (!s.num && !s.vfs.n) {
		done(j, xstrdup("it has no VFs"));
		return 0;
	}
	deadline = clock_ms() + (int64_t)j->n->conf.sriov_wait_s * 1000;
	rc = s.vendor == PCI_VENDOR_NVIDIA ? sriov_nvidia_disable(j, &s, deadline, e) :
		plain_disable(j, &s, e);
	if (rc == 0)
		note_boot(j, &s);
	return rc;
}
