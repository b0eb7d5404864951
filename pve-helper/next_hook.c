/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "next_hook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "identity.h"
#include "process.h"
#include "quote.h"
#include "script.h"
#include "storage.h"
#include "vmconf_file.h"
#include "xalloc.h"

#define PVESM		"usr/sbin/pvesm"
#define PVESM_MS	10000

/* "<vmid> <phase>" of the call that runs the script: one that calls us again would do so for ever. */
#define MARK		"PVE_VGPU_NEXT_HOOK"

const char *next_hook_volume(const struct phase *p)
{
	const struct vm_settings *vs = settings_section(&p->settings, p->vmid);

	return vs ? vs->next_hook : NULL;
}

/* A storage whose directory storage.cfg does not tell; pvesm takes no lock of a VM. */
static int ask_pvesm(const struct root *r, const char *volume, char **path, struct err *e)
{
	const char *const args[] = { "path", volume, NULL };
	struct process p = {
		.program = PVESM, .args = args, .timeout_ms = PVESM_MS, .separate = true,
	};
	AUTO_PROCESS struct process_result res = { 0 };
	int rc = process_run(r, &p, &res, e);

	if (rc < 0)
		return rc;
	if (res.status || *res.out != '/')
		return fail(e, -ENOENT, "'pvesm path %s' ended with status %d: %s", volume, res.status,
			    QUOTED(res.errors));
	res.out[strcspn(res.out, "\n")] = '\0';
	*path = take_ptr(res.out);
	return 0;
}

int next_hook_path(const struct root *r, const char *volume, char **path, struct err *e)
{
	AUTO_STORAGES struct storage_list l = { 0 };
	AUTO_ERR struct err why = { 0 };
	int rc = storage_list_read(r, &l, e);

	if (rc < 0)
		return rc;
	rc = storage_snippet_path(&l, volume, path, &why);
	if (rc == -ENOENT) {
		int asked = ask_pvesm(r, volume, path, e);

		/* Where there is no pvesm, or no such volume, what storage.cfg lacks is the better word; one that could not say is no answer. */
		if (asked != -ENOENT)
			return asked;
	}
	return rc < 0 ? err_move(e, &why, rc) : 0;
}

static int refuse_itself(const struct phase *p, struct err *e)
{
	fail(e, -ELOOP, "it is this very hookscript, which would call itself");
	err_hint(e, "take next-hook out of [vm %u] in /etc/pve/pve-vgpu.conf", p->vmid);
	return -ELOOP;
}

static bool is_itself(const struct phase *p, const struct vmconf *conf, const char *volume,
		      const char *path, const char *mark)
{
	const char *outer = getenv(MARK);

	return (conf->hookscript && !strcmp(conf->hookscript, volume)) ||
		snippet_is_ours(&p->c->root, path) || (outer && !strcmp(outer, mark));
}

static int run(const struct phase *p, const struct vmconf *conf, const char *volume,
	       const char *phase, struct err *e)
{
	AUTO_FREE char *vmid = xasprintf("%u", p->vmid), *mark = xasprintf("%u %s", p->vmid, phase);
	AUTO_FREE char *path = NULL;
	const char *const args[] = { vmid, phase, NULL };
	struct script s = {
		.args = args, .mark = MARK, .mark_value = mark, .before = &p->c->before,
	};
	int rc = next_hook_path(&p->c->root, volume, &path, e);

	if (rc < 0)
		return rc;
	if (is_itself(p, conf, volume, path, mark))
		return refuse_itself(p, e);
	s.path = path;
	rc = script_run(&p->c->root, &s, e);
	return rc > 0 ? fail(e, -ECANCELED, "it ended with exit status %d", rc) : rc;
}

int next_hook_call(const struct phase *p, const char *phase, struct err *e)
{
	const struct vm_settings *vs = settings_section(&p->settings, p->vmid);
	AUTO_VMCONF struct vmconf conf = { 0 };
	int rc;

	if (!vs || !vs->next_hook)
		return 0;
	/* The target of a migration that has failed has no config of the VM's. */
	if (vmconf_read(&p->c->root, p->vmid, p->c->migrated_from, &conf, NULL) == 0 &&
	    !identity_matches(vs->identity, &conf)) {
		AUTO_FREE char *text = xasprintf("next-hook %s is not called: [vm %u] is for another VM (%s)",
						 QUOTED(vs->next_hook), p->vmid, vs->identity);

		phase_say(p, text);
		return 0;
	}
	rc = run(p, &conf, vs->next_hook, phase, e);
	return rc < 0 ? fail_in(e, rc, "next-hook %s", QUOTED(vs->next_hook)) : 0;
}
