/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `doctor` asks of Proxmox VE on this node, and of our own files. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "doctor.h"
#include "hookscript.h"
#include "mode_choice.h"
#include "pkg_version.h"
#include "snippet.h"
#include "wrapper_there.h"
#include "xalloc.h"

void check_qemu_server(struct doctor *d, struct finding *f)
{
	if (!d->qemu_server)
		find_no(f, DOCTOR_BLOCKS, xstrdup("the version of qemu-server cannot be told, and it is taken for an old one"),
			xstrdup("dpkg -s qemu-server; without it this is no Proxmox VE node"));
	else if (!version_at_least(d->qemu_server, MODE_SINCE_UUID) && !d->wrapper)
		find_no(f, DOCTOR_ADVICE, xasprintf("qemu-server %s gives QEMU no -uuid, without which NVIDIA's driver serves no vGPU ("
						    MODE_SINCE_UUID " does)", d->qemu_server),
			xstrdup("apt full-upgrade; or apt install " WRAPPER_PACKAGE));
	else
		find_yes(f, "%s%s", d->qemu_server, version_at_least(d->qemu_server, MODE_SINCE_UUID) ?
			 ", which gives QEMU its -uuid" : ", and the wrapper gives QEMU its -uuid");
}

/* --- modes --- */

static struct mode_facts facts_of(const struct doctor *d, enum framework framework)
{
	struct mode_facts f = {
		.qemu_server = d->qemu_server, .wrapper = d->wrapper,
		.inject_uuid = !d->has_show || d->show.settings.inject_uuid,
		.mdev = framework == FRAMEWORK_MDEV, .vendor = framework == FRAMEWORK_NVIDIA_VFIO,
		.nvidia = d->nvidia, .other_domain = true,
	};

	for (size_t i = 0; i < d->node.inv.ngpus; i++)
		if (d->node.inv.gpus[i].framework == framework && !d->node.inv.gpus[i].addr.domain)
			f.other_domain = false;
	return f;
}

/* The modes that can serve a plain intent, "native by mapping, args"; NULL: none. The caller frees it. */
static char *modes_of(const struct mode_facts *f)
{
	static const enum vm_mode all[] = { MODE_NATIVE, MODE_ARGS, MODE_WRAPPER };
	AUTO_STRLIST struct strlist can = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		AUTO_MODE_CHOICE struct mode_choice c = { 0 };
		struct mode_facts one = *f;

		one.asked = all[i];
		if (mode_choose(&one, &c, NULL) == 0)
			strlist_take(&can, xasprintf("%s%s", vm_mode_name(all[i]), all[i] != MODE_NATIVE ? "" :
						     c.mapping ? " by mapping" : " by address"));
	}
	return can.n ? strlist_join(&can, ", ") : NULL;
}

static void look_at_modes(const struct doctor *d, enum framework framework, struct strlist *notes,
			  struct finding *f)
{
	struct mode_facts facts = facts_of(d, framework);
	AUTO_MODE_CHOICE struct mode_choice choice = { 0 };
	AUTO_FREE char *modes = modes_of(&facts);
	AUTO_ERR struct err e = { 0 };

	if (mode_choose(&facts, &choice, &e) < 0)
		find_no(f, DOCTOR_BLOCKS, xasprintf("%s: %s", framework_name(framework), e.msg),
			xstrdup("apt full-upgrade; or apt install " WRAPPER_PACKAGE));
	else
		strlist_take(notes, xasprintf("%s: %s", framework_name(framework), modes));
}

void check_modes(struct doctor *d, struct finding *f)
{
	AUTO_STRLIST struct strlist notes = { 0 };
	bool seen[FRAMEWORK_COUNT] = { false };

	if (!doctor_has_gpus(d, f))
		return;
	for (size_t i = 0; i < d->node.inv.ngpus; i++)
		seen[d->node.inv.gpus[i].framework] = true;
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		if (seen[i])
			look_at_modes(d, (enum framework)i, &notes, f);
	if (!notes.n) {
		find_na(f, "no GPU shows types");
		return;
	}

	AUTO_FREE char *all = strlist_join(&notes, "; ");

	find_yes(f, "%s", all);
}

/* --- the hookscript and the wrapper --- */

static bool any_intent_here(const struct doctor *d)
{
	size_t i = 0;

	return doctor_next_vm(d, &i);
}

static void look_at_place(const struct doctor *d, const struct snippet_place *p, struct strlist *there,
			  struct finding *f)
{
	AUTO_ERR struct err e = { 0 };

	if (p->link == SNIPPET_FOREIGN)
		find_no(f, p->nvms ? DOCTOR_BLOCKS : DOCTOR_ADVICE,
			xasprintf("'%s' has the hookscript's name and is something else", p->path),
			xasprintf("look at it, and remove it: rm %s; then pve-vgpu snippet install", p->path));
	if (p->link != SNIPPET_OURS)
		return;
	if (hookscript_callable(d->r, p->volid, &e) < 0) {
		err_hint(&e, "chmod 755 /" HOOK_PROGRAM);
		find_failed(f, DOCTOR_BLOCKS, &e);
		return;
	}
	strlist_add(there, p->volid);
}

void check_snippet(struct doctor *d, struct finding *f)
{
	AUTO_PLACES struct snippet_places places = { 0 };
	AUTO_STRLIST struct strlist there = { 0 };
	AUTO_ERR struct err e = { 0 };

	if (snippet_look(d->r, &places, &e) < 0) {
		err_hint(&e, "pve-vgpu snippet status");
		find_failed(f, DOCTOR_BLOCKS, &e);
		return;
	}
	for (size_t i = 0; i < places.n; i++)
		look_at_place(d, &places.p[i], &there, f);
	for (size_t i = 0; i < places.lost.n; i++)
		find_no(f, DOCTOR_BLOCKS, xstrdup(places.lost.s[i]), xstrdup("pve-vgpu snippet install"));
	if (!there.n && !f->n)
		find_no(f, any_intent_here(d) ? DOCTOR_BLOCKS : DOCTOR_ADVICE,
			xstrdup("the hookscript is in no local storage of this node"), xstrdup("pve-vgpu snippet install"));

	AUTO_FREE char *all = strlist_join(&there, ", ");

	find_yes(f, "%s", all);
}

static bool stat_behind(const struct root *r, const char *path, struct stat *st)
{
	AUTO_FD int fd = root_openat(r, path, O_PATH, 0);

	return fd >= 0 && fstat(fd, st) == 0;
}

/*
 * PVE keeps what `kvm --version` said for as long as the program's time of
 * change is the same (qemu-server src/PVE/QemuServer/Helpers.pm). The wrapper's
 * moves with every QEMU that dpkg unpacks, which sets QEMU's time of status.
 */
static bool is_stale(const struct root *r)
{
	struct stat wrapper, qemu;

	return stat_behind(r, WRAPPER_PROGRAM, &wrapper) && stat_behind(r, WRAPPER_DIVERTED, &qemu) &&
		wrapper.st_mtime < qemu.st_ctime;
}

/* No program at all is at QEMU's name, or the wrapper with nothing behind it: no VM starts, whatever it asks for. */
static bool leads_nowhere(const struct root *r)
{
	struct stat kvm, wrapper;

	if (!stat_behind(r, WRAPPER_KVM, &kvm))
		return true;
	return stat_behind(r, WRAPPER_PROGRAM, &wrapper) && kvm.st_dev == wrapper.st_dev && kvm.st_ino == wrapper.st_ino &&
		!root_exists(r, WRAPPER_DIVERTED);
}

static bool wrapper_asked(const struct doctor *d)
{
	const struct show_vm *vm;

	for (size_t i = 0; (vm = doctor_next_vm(d, &i));)
		if (vm->vs && vm->vs->mode == MODE_WRAPPER)
			return true;
	return false;
}

void check_wrapper(struct doctor *d, struct finding *f)
{
	enum doctor_weight weight = wrapper_asked(d) ? DOCTOR_BLOCKS : DOCTOR_ADVICE;

	if (d->wrapper && is_stale(d->r))
		find_no(f, DOCTOR_ADVICE, xstrdup("QEMU was upgraded behind the wrapper: PVE's workers still have its old version"),
			xstrdup("touch /" WRAPPER_PROGRAM));
	else if (d->wrapper)
		find_yes(f, "it stands at /" WRAPPER_KVM);
	else if (root_exists(d->r, WRAPPER_PROGRAM))
		find_no(f, leads_nowhere(d->r) ? DOCTOR_BLOCKS : weight,
			xstrdup("the wrapper is installed, and /" WRAPPER_KVM " is another program, or there is no QEMU at /"
				WRAPPER_DIVERTED),
			xstrdup("dpkg-divert --list /" WRAPPER_KVM "; apt install --reinstall " WRAPPER_PACKAGE " pve-qemu-kvm"));
	else if (leads_nowhere(d->r) && root_exists(d->r, WRAPPER_DIVERTED))
		find_no(f, DOCTOR_BLOCKS, xstrdup("QEMU stands at /" WRAPPER_DIVERTED ", and nothing at /" WRAPPER_KVM
						  ", which PVE runs: the wrapper's package was taken away half installed"),
			xstrdup("apt install " WRAPPER_PACKAGE "; apt remove " WRAPPER_PACKAGE " then gives QEMU its name back"));
	else if (weight == DOCTOR_BLOCKS)
		find_no(f, weight, xstrdup("VMs of this node have mode = wrapper, and it is not installed"),
			xstrdup("apt install " WRAPPER_PACKAGE));
	else
		find_na(f, d->has_show ? "it is not installed, and no VM here asks for it" : "it is not installed; see settings");
}

/* --- our own files --- */

void check_settings(struct doctor *d, struct finding *f)
{
	AUTO_STRLIST struct strlist faults = { 0 };
	const struct settings *s = &d->show.settings;

	if (!d->has_show) {
		err_hint(&d->show_err, "systemctl status pve-cluster; ls -l /etc/pve");
		find_failed(f, DOCTOR_BLOCKS, &d->show_err);
		return;
	}
	settings_warnings_for(s, 0, &faults);
	if (s->fault && !strlist_has(&faults, s->fault))
		strlist_add(&faults, s->fault);
	for (size_t i = 0; i < faults.n; i++)
		find_no(f, DOCTOR_BLOCKS, xstrdup(faults.s[i]), xstrdup("mend that line in /etc/pve/pve-vgpu.conf"));
	find_yes(f, "/etc/pve/pve-vgpu.conf: %zu VMs", s->n_vms);
}

/* What only shows with a GPU in hand, as two boards' sections that are its. */
static void add_fault(const struct doctor *d, const struct bdf *gpu, struct strlist *faults)
{
	struct node_keys keys;
	AUTO_ERR struct err e = { 0 };

	if (sriov_node_keys(&d->node, gpu, &keys, &e) < 0 && !strlist_has(faults, e.msg))
		strlist_add(faults, e.msg);
}

void check_node_conf(struct doctor *d, struct finding *f)
{
	AUTO_STRLIST struct strlist faults = { 0 };

	if (!d->has_conf) {
		err_hint(&d->conf_err, "ls -l /" NODE_CONF_PATH);
		find_failed(f, DOCTOR_BLOCKS, &d->conf_err);
		return;
	}
	if (!root_exists(d->r, NODE_CONF_PATH)) {
		find_na(f, "there is no /" NODE_CONF_PATH);
		return;
	}
	node_conf_faults(&d->node.conf, &faults);
	for (size_t i = 0; i < d->sriov.n; i++)
		add_fault(d, &d->sriov.b[i], &faults);
	for (size_t i = 0; i < faults.n; i++)
		find_no(f, DOCTOR_BLOCKS, xstrdup(faults.s[i]), xstrdup("mend that line; `man pve-vgpu-node.conf` has the keys"));
	find_yes(f, "/" NODE_CONF_PATH);
}
