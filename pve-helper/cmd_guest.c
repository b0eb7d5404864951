/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Cloud-init vendor data for a VM's guest. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "commands.h"
#include "guest_data.h"
#include "guest_file.h"
#include "options.h"
#include "quote.h"
#include "scan.h"
#include "settings_file.h"
#include "storage.h"
#include "vmconf_file.h"
#include "xalloc.h"

enum { OPT_TOKEN = 512, OPT_OUTPUT, OPT_STORAGE };

struct asked {
	const char *token_file, *output, *storage;
};

struct guest {
	struct settings settings;
	struct vmconf conf;
	struct catalog catalog;
	struct inventory inv;
	struct strlist types;
	char *token;
	char *text;
};

static void guest_free(struct guest *g)
{
	settings_free(&g->settings);
	vmconf_free(&g->conf);
	catalog_free(&g->catalog);
	inventory_free(&g->inv);
	strlist_free(&g->types);
	free(g->token);
	free(g->text);
}

static void set_option(void *arg, int val, const char *value)
{
	struct asked *a = arg;

	*(val == OPT_TOKEN ? &a->token_file : val == OPT_OUTPUT ? &a->output : &a->storage) = value;
}

/* By its friendly name where this node has the type, else as it is written. */
static void add_type(const struct ctx *c, struct guest *g, const char *asked)
{
	const struct vgpu_type *t;
	const char *name = asked;

	if (scan_resolve(&c->root, &g->catalog, &g->inv, asked, NULL, 0, &t, NULL) == 0)
		name = vgpu_type_name(t);
	if (!strlist_has(&g->types, name))
		strlist_add(&g->types, name);
}

/* The types of the intents, all choices; without intents those of the VM's own hostpci<N>. */
static int read_types(const struct ctx *c, struct guest *g, unsigned int vmid, struct err *e)
{
	const struct vm_settings *vs = NULL;
	int rc = settings_vm(&g->settings, vmid, &vs, e);

	for (size_t i = 0; vs && i < vs->n_intents; i++)
		for (size_t k = 0; k < vs->intents[i].choices.n; k++)
			add_type(c, g, vs->intents[i].choices.s[k]);
	for (size_t i = 0; !vs && i < VMCONF_HOSTPCI_MAX; i++)
		if (g->conf.hostpci[i].present && g->conf.hostpci[i].mdev)
			add_type(c, g, g->conf.hostpci[i].mdev);
	if (rc < 0 || g->types.n)
		return rc;
	fail(e, -ENOENT, "the VM has no vGPU");
	err_hint(e, "add to /etc/pve/pve-vgpu.conf: [vm %u] and below it hostpci0 = <type>", vmid);
	return -ENOENT;
}

static int gather(const struct ctx *c, struct guest *g, unsigned int vmid, struct err *e)
{
	int rc = settings_read(&c->root, &g->settings, e);

	if (rc == 0)
		rc = vmconf_read(&c->root, vmid, c->migrated_from, &g->conf, e);
	if (rc < 0)
		return rc;
	catalog_load(&g->catalog, &c->root);
	/* Names are read as far as they can be: a node without GPUs does for this. */
	scan_gpus(&c->root, &g->catalog, &g->inv, NULL);
	return read_types(c, g, vmid, e);
}

static int render(const struct ctx *c, struct guest *g, unsigned int vmid, const char *token_file,
		  struct err *e)
{
	AUTO_FREE char *template = NULL;
	struct guest_facts facts = { .vmid = vmid, .types = &g->types };
	size_t len;
	int rc = root_read(&c->root, GUEST_TEMPLATE, &template, &len, e);

	if (rc < 0) {
		err_hint(e, "the package pve-vgpu brings it");
		return rc;
	}
	if (token_file) {
		AUTO_FREE char *text = NULL;

		rc = guest_file_read(token_file, &text, &len, e);
		if (rc == 0)
			rc = guest_token(text, len, token_file, &g->token, e);
		if (rc < 0)
			return rc;
	}
	facts.token = g->token;
	g->text = guest_render(template, &facts);
	return 0;
}

/* The value of cicustom with our volume as its vendor data, other data kept. */
static char *cicustom_with(const char *now, const char *volid)
{
	static const char *const others[] = { "user", "network", "meta" };
	AUTO_STRLIST struct strlist parts = { 0 };

	for (size_t i = 0; now && i < ARRAY_SIZE(others); i++) {
		AUTO_FREE char *volume = vmconf_property(now, others[i], NULL);

		if (volume)
			strlist_take(&parts, xasprintf("%s=%s", others[i], volume));
	}
	strlist_take(&parts, xasprintf("vendor=%s", volid));
	return strlist_join(&parts, ",");
}

static void advise(const struct guest *g, unsigned int vmid, const char *volid)
{
	AUTO_FREE char *vendor = g->conf.cicustom ? vmconf_property(g->conf.cicustom, "vendor", NULL) : NULL;
	AUTO_FREE char *value = cicustom_with(g->conf.cicustom, volid), *word = shell_word(value);

	if (vendor && !strcmp(vendor, volid)) {
		printf("vm %u has it as its vendor data: qm cloudinit update %u writes the drive anew\n", vmid, vmid);
	} else {
		if (vendor)
			fprintf(stderr, "pve-vgpu: vm %u has other vendor data, which this takes the place of: %s\n",
				vmid, QUOTED(vendor));
		printf("give it to the VM with: qm set %u --cicustom %s\n", vmid, word);
	}
	if (!g->conf.cloudinit)
		fprintf(stderr, "pve-vgpu: vm %u has no drive for cloud-init's data\n"
			"hint: qm set %u --ide2 <storage>:cloudinit\n", vmid, vmid);
}

static int put_in_storage(const struct ctx *c, const struct guest *g, unsigned int vmid,
			  const char *storage, struct err *e)
{
	AUTO_FREE char *volid = xasprintf("%s:snippets/vgpu-guest-%u.yaml", storage, vmid);
	AUTO_FREE char *path = NULL;
	const char *did = c->dry_run ? "would write" : "wrote";
	int rc = guest_file_path(&c->root, storage, volid, &path, e);

	if (rc == 0)
		rc = guest_file_write(&c->root, path, g->text, g->token, c->dry_run, e);
	if (rc < 0)
		return rc;
	printf("%s /%s\n", rc ? did : "is up to date:", path);
	advise(g, vmid, volid);
	return 0;
}

static int put_in_file(const struct ctx *c, const struct guest *g, unsigned int vmid,
		       const char *file, struct err *e)
{
	int rc = guest_file_write(NULL, file, g->text, g->token, c->dry_run, e);

	if (rc < 0)
		return rc;
	printf("%s %s\n", rc == 0 ? "is up to date:" : c->dry_run ? "would write" : "wrote", file);
	printf("a VM takes it from a storage's snippets: pve-vgpu guest %u --storage <storage>\n", vmid);
	return 0;
}

static int run(const struct ctx *c, unsigned int vmid, const struct asked *a, struct err *e)
{
	AUTO(guest_free) struct guest g = { 0 };
	int rc = gather(c, &g, vmid, e);

	if (rc == 0)
		rc = render(c, &g, vmid, a->token_file, e);
	if (rc < 0)
		return rc;
	if (!g.token)
		fprintf(stderr, "pve-vgpu: vm %u: no client configuration token: without one in "
			"/etc/nvidia/ClientConfigToken the guest is not licensed\nhint: --token-file <file>, as NVIDIA's "
			"licensing portal gives it\n", vmid);
	if (a->storage)
		return put_in_storage(c, &g, vmid, a->storage, e);
	if (a->output)
		return put_in_file(c, &g, vmid, a->output, e);
	fputs(g.text, stdout);
	return 0;
}

int cmd_guest(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option longopts[] = {
		{ "token-file", required_argument, NULL, OPT_TOKEN },
		{ "output", required_argument, NULL, OPT_OUTPUT },
		{ "storage", required_argument, NULL, OPT_STORAGE },
		{ NULL, 0, NULL, 0 },
	};
	struct asked a = { 0 };
	const struct option_set set = {
		.longopts = longopts, .dry_run = true, .set = set_option, .arg = &a,
	};
	unsigned int vmid = 0;
	int rc = options_count(options_read(c, argc, argv, &set, e), 1, 1, "<vmid>", e);

	if (rc == 0)
		rc = options_vmid(argv[0], &vmid, e);
	if (rc < 0)
		return rc;
	if (a.output && a.storage)
		return fail(e, RC_USAGE, "--output or --storage, not both");
	if ((a.output && !*a.output) || (a.token_file && !*a.token_file))
		return fail(e, RC_USAGE, "%s is empty: it is the name of a file", a.output && !*a.output ? "--output" : "--token-file");
	rc = run(c, vmid, &a, e);
	return rc < 0 ? fail_in(e, rc, "vm %u: guest", vmid) : 0;
}
