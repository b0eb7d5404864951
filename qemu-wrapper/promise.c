/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "promise.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "cmdline.h"
#include "framework.h"
#include "rundir.h"
#include "vmproc.h"
#include "xalloc.h"

/* 1: a plain file that root alone can write; 0: nothing there; or -errno. */
static int check_file(const struct root *r, const char *path, struct err *e)
{
	AUTO_FD int fd = root_openat(r, path, O_PATH | O_NOFOLLOW, 0);
	struct stat st;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fail_errno(e, -fd, "open '/%s'", path);
	if (fstat(fd, &st) < 0)
		return fail_errno(e, errno, "stat '/%s'", path);
	if (S_ISREG(st.st_mode) && st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return 1;
	fail(e, -EPERM, "run state '/%s' is no plain file that root alone can write", path);
	err_hint(e, "pve-vgpu did not write it: look where it comes from, then rm '/%s' and start the VM again", path);
	return -EPERM;
}

static int refuse_second(unsigned int vmid, pid_t qemu, struct err *e)
{
	fail(e, -EEXIST, "QEMU of the VM runs already, pid %d, and holds its vGPUs", (int)qemu);
	err_hint(e, "stop it first: qm stop %u", vmid);
	return -EEXIST;
}

/* Of an earlier start: pre-start, which comes before every start, would have written it anew. */
static int refuse_old(const struct runstate *s, struct err *e)
{
	fail(e, -ESTALE, "run state '/" RUN_DIR "/%u.json' is of %s, not of this one", s->vmid,
	     s->phase == RUN_CLAIMED ? "a start that did not get to its end" : "an earlier start");
	err_hint(e, "start the VM with qm start %u, and see that it has its hookscript (qm config %u); "
		 "`pve-vgpu gc` takes away what the earlier start has left", s->vmid, s->vmid);
	return -ESTALE;
}

/* A vmid is given again, and a start of the VM that had it may have come no further than pre-start. */
static int refuse_other(const struct runstate *s, struct err *e)
{
	fail(e, -ESTALE, "run state '/" RUN_DIR "/%u.json' is of another VM, which had this vmid before (SMBIOS uuid %s)",
	     s->vmid, s->smbios_uuid);
	err_hint(e, "`pve-vgpu gc` takes away what that one has left, once its start is older than start-grace; "
		 "then start this VM again");
	return -ESTALE;
}

static bool is_of_another(const struct runstate *s, const struct strlist *words)
{
	AUTO_FREE char *uuid = s->smbios_uuid ? cmdline_smbios_uuid(words) : NULL;

	return uuid && strcasecmp(uuid, s->smbios_uuid) != 0;
}

static int check_vgpu(const struct root *r, const struct vgpu *v, unsigned int vmid, struct err *e)
{
	int there = framework_ops(v->framework)->present(r, v, e);
	const char *name = v->name ? v->name : v->type;

	if (there < 0)
		return fail_in(e, there, "hostpci%u", v->index);
	if (there)
		return 0;
	if (v->framework == FRAMEWORK_MDEV)
		fail(e, -ESTALE, "hostpci%u: the %s that pre-start made, %s, is not there any more",
		     v->index, name, v->uuid);
	else
		fail(e, -ESTALE, "hostpci%u: the %s that pre-start made on %s is not there any more",
		     v->index, name, BDF_STR(&v->parent));
	err_hint(e, "start the VM again with qm start %u, which makes it anew; `pve-vgpu list` shows what is there", vmid);
	return -ESTALE;
}

static int check_state(const struct root *r, const struct runstate *s, const struct strlist *words,
		       struct err *e)
{
	pid_t qemu = vm_qemu_pid(r, s->vmid);

	if (qemu)
		return refuse_second(s->vmid, qemu, e);
	if (s->phase != RUN_CREATED)
		return refuse_old(s, e);
	if (is_of_another(s, words))
		return refuse_other(s, e);
	for (size_t i = 0; i < s->ndevices; i++) {
		const struct run_device *d = &s->devices[i];
		int rc = d->add ? check_vgpu(r, runstate_index(s, d->index), s->vmid, e) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

int promise_read(const struct root *r, unsigned int vmid, const struct strlist *words,
		 struct runstate *out, struct err *e)
{
	AUTO_FREE char *path = xasprintf(RUN_DIR "/%u.json", vmid);
	AUTO_RUNSTATE struct runstate s = { 0 };
	int rc = check_file(r, path, e);

	if (rc == 1)
		rc = runstate_read(r, vmid, &s, e);
	/* Without devices all is on the command line, and QEMU itself sees what is missing. */
	if (rc < 0 || !s.ndevices)
		return rc;
	rc = check_state(r, &s, words, e);
	if (rc < 0)
		return rc;
	*out = s;
	s = (struct runstate){ 0 };
	return 1;
}

/* The device that qemu-server attaches as hostpci<index>. */
static bool find_vgpu(const struct strlist *words, unsigned int index, struct vgpu *v)
{
	struct option o = { .next = 1 };

	while (cmdline_next_of(words, "device", &o)) {
		AUTO_VFIO_DEVICE struct vfio_device d = { 0 };

		if (!o.value || !vfio_device_read(o.value, &d) || d.index != (int)index)
			continue;
		*v = (struct vgpu){
			.framework = *d.uuid ? FRAMEWORK_MDEV : FRAMEWORK_NVIDIA_VFIO,
			.parent = d.bdf,
		};
		memcpy(v->uuid, d.uuid, sizeof(v->uuid));
		return *d.uuid || d.on_bdf;
	}
	return false;
}

int promise_write_params(const struct root *r, const struct runstate *s,
			 const struct strlist *words, struct err *e)
{
	for (size_t i = 0; i < s->ndevices; i++) {
		const struct run_device *d = &s->devices[i];
		struct vgpu v;
		int rc;

		if (d->add || !d->params)
			continue;
		if (!find_vgpu(words, d->index, &v)) {
			fail(e, -ENODEV, "hostpci%u is to get params, and QEMU's command line has no such vGPU",
			     d->index);
			err_hint(e, "qm showcmd %u shows what qemu-server makes of the VM's config", s->vmid);
			return -ENODEV;
		}
		rc = vgpu_write_params(r, &v, d->params, e);
		if (rc < 0)
			return fail_in(e, rc, "hostpci%u", d->index);
	}
	return 0;
}
