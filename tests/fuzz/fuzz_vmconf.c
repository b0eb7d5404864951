/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A VM's config, <vmid>.conf: its keys, hostpci<N> lines, property strings, what is pending. */
#include "fuzz.h"
#include "hostpci_edit.h"
#include "hostpci_line.h"
#include "identity.h"
#include "vm_uuid.h"
#include "vmconf.h"
#include "vmconf_pending.h"

static void judge_hostpci(const char *raw)
{
	struct hostpci h;

	hostpci_parse(raw, &h);
	must(h.bad || (!h.mapping != !h.hosts.n), "a good hostpci line has a mapping or hosts, and not both");
	if (!h.bad && h.mdev) {
		AUTO_FREE char *other = hostpci_with_mdev(raw, "nvidia-1");
		AUTO_FREE char *twice = hostpci_with_mdev(other, "nvidia-1");

		must_equal(twice, other, "hostpci_with_mdev twice is once");
	}
	hostpci_free(&h);

	AUTO_FREE char *once = hostpci_line(raw, "0000:e8:00.4", "nvidia-575", true, false);
	AUTO_FREE char *twice = hostpci_line(once, "0000:e8:00.4", "nvidia-575", true, false);

	must_equal(twice, once, "hostpci_line twice is once");
}

static void judge_identity(const struct vmconf *c)
{
	AUTO_FREE char *identity = identity_of(c);

	must(identity_matches(identity, c), "a config has its own identity");
}

static void judge_pending(const char *text, size_t len)
{
	AUTO_PENDING struct pending p = { 0 }, none = { 0 };

	pending_parse(text, len, &p);

	AUTO_FREE char *next = pending_apply(&p, text, len);
	AUTO_FREE char *again = pending_apply(&p, next, strlen(next));

	pending_parse(next, strlen(next), &none);
	must(!none.n, "nothing is pending in what was applied");
	must_equal(again, next, "to apply what is pending twice is once");
}

static void judge_uuid(const struct vmconf *c)
{
	bool nvidia[VMCONF_HOSTPCI_MAX] = { false };

	vm_uuid_mark(c, nvidia);
	for (size_t i = 0; i < VMCONF_HOSTPCI_MAX; i++)
		must(!nvidia[i] || c->hostpci[i].mdev, "a vGPU has mdev=");
	free(vm_uuid(c, 100, nvidia));
}

FUZZ(text, len)
{
	AUTO_VMCONF struct vmconf c = { 0 };

	if (vmconf_parse(text, len, "100.conf", &c, NULL) < 0)
		return;
	for (size_t i = 0; i < VMCONF_HOSTPCI_MAX; i++)
		if (c.hostpci[i].present)
			judge_hostpci(c.hostpci[i].raw);
	judge_identity(&c);
	judge_uuid(&c);
	free(vmconf_hostnodes(&c));
	vmconf_is_q35(&c);
	judge_pending(text, len);
}
