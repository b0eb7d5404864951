/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wrapper.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "cleanup.h"
#include "cmdline.h"
#include "promise.h"
#include "rewrite.h"
#include "settings_file.h"
#include "wrapper_there.h"
#include "xalloc.h"

#define VENDOR_NVIDIA	"0x10de"

static int tell(const struct err *e, int status)
{
	fprintf(stderr, "pve-vgpu qemu-wrapper: %s\n", e->msg ? e->msg : "failed");
	if (e->hint)
		fprintf(stderr, "hint: %s\n", e->hint);
	return status;
}

/* In any spelling of sysfsdev an mdev is on the bus under its UUID, and its parent is a step up from there. */
static bool is_nvidia(const struct root *r, const char *uuid)
{
	AUTO_FREE char *path = xasprintf("sys/bus/mdev/devices/%s/../vendor", uuid);
	AUTO_FREE char *vendor = NULL;

	return root_read_attr(r, path, &vendor, NULL) == 0 && !strcmp(vendor, VENDOR_NVIDIA);
}

/* Whether the admin has not turned it off; settings that cannot be read turn nothing off. */
static bool may_inject(const struct root *r)
{
	AUTO_SETTINGS struct settings s = { 0 };

	return settings_read(r, &s, NULL) < 0 || s.inject_uuid;
}

/*
 * NVIDIA's mdevs, where a -uuid has to be found for them: their manager finds a VM
 * by that option alone, and qemu-server before 7.2-4 gives none.
 */
static void find_nvidia(const struct root *r, const struct strlist *words, struct strlist *found)
{
	struct option o = { .next = 1 };

	if (cmdline_next_of(words, "uuid", &o))
		return;
	o = (struct option){ .next = 1 };
	while (cmdline_next_of(words, "device", &o)) {
		AUTO_VFIO_DEVICE struct vfio_device d = { 0 };

		if (o.value && vfio_device_read(o.value, &d) && *d.uuid && is_nvidia(r, d.uuid))
			strlist_add(found, d.uuid);
	}
	if (found->n && !may_inject(r))
		strlist_free(found);
}

/* 1: *out is the line; 0: it may stay as it is; or -errno. */
static int prepare(const char *root, unsigned int vmid, const struct strlist *words,
		   struct strlist *out, struct err *e)
{
	AUTO(root_close) struct root r = ROOT_CLOSED;
	AUTO_RUNSTATE struct runstate state = { 0 };
	AUTO_STRLIST struct strlist nvidia = { 0 };
	int promised, rc = root_open(&r, root, e);

	if (rc < 0)
		return rc;
	promised = promise_read(&r, vmid, words, &state, e);
	if (promised < 0)
		return promised;
	if (!state.uuid)
		find_nvidia(&r, words, &nvidia);
	if (!promised && !nvidia.n)
		return 0;

	struct rewrite how = {
		.vmid = vmid, .state = promised ? &state : NULL, .nvidia = &nvidia,
	};

	rc = rewrite(words, &how, out, e);
	if (rc == 0 && promised)
		rc = promise_write_params(&r, &state, out, e);
	return rc < 0 ? rc : 1;
}

/*
 * Whether it is the wrapper that stands where QEMU is to be, by a copy or a link: it
 * would run itself for ever. Told without a system call, by the name under which the
 * kernel has run this program: getauxval(3).
 */
static bool stands_for_qemu(const char *qemu)
{
	const char *self = (const char *)(uintptr_t)getauxval(AT_EXECFN);

	return self && !strcmp(self, qemu);
}

static int refuse_loop(const char *qemu, struct err *e)
{
	fail(e, -ELOOP, "run '%s': that is pve-vgpu's wrapper itself, and not QEMU", qemu);
	err_hint(e, "apt install --reinstall pve-qemu-kvm brings QEMU back");
	return 126;
}

static int become(const char *qemu, char *argv[], struct err *e)
{
	execv(qemu, argv);

	int why = errno;

	fail_errno(e, why, "run '%s'", qemu);
	if (why == ENOENT)
		err_hint(e, "QEMU is not where the diversion has put it: apt install --reinstall pve-qemu-kvm, or "
			 "apt remove " WRAPPER_PACKAGE " to have it at /" WRAPPER_KVM " again");
	else if (why == E2BIG)
		err_hint(e, "the VM's command line is too long; shorten its args");
	else
		err_hint(e, "apt install --reinstall pve-qemu-kvm brings it back");
	return why == ENOENT ? 127 : 126;
}

static void borrow_words(char *argv[], struct strlist *words)
{
	words->s = argv;
	for (words->n = 0; argv[words->n]; words->n++)
		;
}

int wrapper_run(const char *root, const char *qemu, char *argv[])
{
	AUTO_ERR struct err e = { 0 };
	AUTO_STRLIST struct strlist rewritten = { 0 };
	struct strlist words;
	unsigned int vmid;
	int rc = 0;

	if (stands_for_qemu(qemu))
		return tell(&e, refuse_loop(qemu, &e));
	borrow_words(argv, &words);
	vmid = cmdline_vmid(&words);
	if (vmid)
		rc = prepare(root, vmid, &words, &rewritten, &e);
	if (rc < 0) {
		fail_in(&e, rc, "vm %u", vmid);
		return tell(&e, 1);
	}
	if (rc == 0)
		return tell(&e, become(qemu, argv, &e));
	strlist_take(&rewritten, NULL);
	return tell(&e, become(qemu, rewritten.s, &e));
}
