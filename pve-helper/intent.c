/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "intent.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "boards.h"
#include "cleanup.h"
#include "framework.h"
#include "identity.h"
#include "mapping_use.h"
#include "mode.h"
#include "numa.h"
#include "quote.h"
#include "scan.h"
#include "xalloc.h"

void want_list_free(struct want_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->w[i].choices);
		free(l->w[i].among);
	}
	free(take_ptr(l->w));
	free(take_ptr(l->attach));
	free(take_ptr(l->left));
	free(take_ptr(l->gpus));
	free(take_ptr(l->others));
	strlist_free(&l->notes);
	l->n = l->nleft = 0;
}

struct reader {
	const struct ctx *c;
	const struct vm_settings *vs;
	const struct vmconf *conf;
	struct catalog *catalog;
	struct inventory *inv;
	const char *who;
	int64_t deadline;
	struct want_list *out;
};

/* What qemu-server calls the type on the VF that the config names. */
static int name_for_pve(const struct reader *rd, const struct gpu *g, const struct bdf *parent,
			const struct vgpu_type *t, char **name, struct err *e)
{
	if (g->framework == FRAMEWORK_MDEV)
		return mdev_type_dirname(&rd->c->root, parent, t->key, name, e);
	*name = xstrdup(t->key);
	return 0;
}

/* Keep the choices that the config's own mdev= names: qemu-server takes no other. */
static int keep_config_type(const struct reader *rd, const struct vm_intent *in,
			    const struct gpu *g, struct want *w, struct err *e)
{
	const struct hostpci *h = &rd->conf->hostpci[in->index];
	AUTO_FREE char *right = NULL;
	AUTO_ERR struct err why = { 0 };

	for (size_t i = 0; i < w->nchoices; i++) {
		AUTO_FREE char *name = NULL;

		if (name_for_pve(rd, g, &h->addr, w->choices[i], &name, &why) < 0)
			continue;
		if (!strcmp(name, h->mdev)) {
			w->choices[0] = w->choices[i];
			w->nchoices = 1;
			return 0;
		}
		if (!right)
			right = take_ptr(name);
	}
	if (!right)
		return fail(e, -ENOENT, "the VM's config names %s, where %s is not to be had: %s",
			    BDF_STR(&h->addr), vgpu_type_name(w->choices[0]),
			    why.msg ? why.msg : "not offered");
	fail(e, -EINVAL, "the VM's config has mdev=%s, and the intent '%s' is mdev=%s there",
	     QUOTED(h->mdev), in->choices.s[0], right);
	err_hint(e, "qm set %u --hostpci%u %s,mdev=%s%s%s", rd->vs->vmid, in->index,
		 BDF_STR(&h->addr), right, h->pcie ? ",pcie=1" : "", h->x_vga ? ",x-vga=1" : "");
	return -EINVAL;
}

/* hostpci<N>: <address>,mdev=…: qemu-server adopts what is on that very parent. */
static int pin(const struct reader *rd, const struct vm_intent *in, struct want *w,
	       struct err *e)
{
	const struct hostpci *h = &rd->conf->hostpci[in->index];
	const struct gpu *g = inventory_gpu_of(rd->inv, &h->addr);

	if (!g) {
		g = inventory_gpu(rd->inv, &h->addr);
		fail(e, -ENODEV, "the VM's config names %s, which offers no vGPU types here",
		     BDF_STR(&h->addr));
		if (g && g->nparents)
			err_hint(e, "the GPU's VFs do: qm set %u --hostpci%u %s,mdev=%s", rd->vs->vmid,
				 in->index, BDF_STR(&g->parents[0]), w->choices[0]->key);
		else
			err_hint(e, "`pve-vgpu types` shows the GPUs that do; are its VFs enabled?");
		return -ENODEV;
	}
	w->pinned = true;
	w->parent = h->addr;
	return keep_config_type(rd, in, g, w, e);
}

static int resolve_choices(const struct reader *rd, const struct vm_intent *in,
			   struct want *w, struct err *e)
{
	AUTO_ERR struct err first = { 0 };

	w->choices = xcalloc(in->choices.n, sizeof(*w->choices));
	for (size_t i = 0; i < in->choices.n; i++) {
		AUTO_ERR struct err why = { 0 };
		int rc = scan_resolve(&rd->c->root, rd->catalog, rd->inv, in->choices.s[i], rd->who,
				      rd->deadline, &w->choices[w->nchoices], &why);

		if (rc == 0) {
			w->nchoices++;
		} else if (rc != -ENOENT) {
			return err_move(e, &why, rc);
		} else {
			strlist_take(&rd->out->notes, xasprintf("hostpci%u: %s", in->index, why.msg));
			if (!first.msg)
				fail(&first, rc, "%s", why.msg);
		}
	}
	if (w->nchoices)
		return 0;

	/* A VM that comes from another node wants to know what this one has. */
	AUTO_FREE char *boards = boards_list(rd->inv);

	fail(e, -ENOENT, "%s%s%s", first.msg, *boards ? "; this node's boards: " : "", boards);
	err_hint(e, "`pve-vgpu types` lists the types of this node; the intent is in "
		 "/etc/pve/pve-vgpu.conf, line %u", in->line);
	strlist_free(&rd->out->notes);
	return -ENOENT;
}

static void add_want(struct want_list *l, const struct want *w, enum attach how)
{
	size_t n = l->n;
	enum attach *a = GROW(l->attach, n);
	struct want *slot = GROW(l->w, l->n);

	*slot = *w;
	*a = how;
}

static void add_left(struct want_list *l, unsigned int index, const char *mapping)
{
	struct left *slot = GROW(l->left, l->nleft);

	*slot = (struct left){ index, mapping };
}

/* Where in the node it is to be, by the way it is attached. *own: it is the hook's to make. */
static int restrict_place(const struct reader *rd, const struct vm_intent *in, enum attach how,
			  struct want *w, bool *own, struct err *e)
{
	struct mapping_user u = {
		&rd->c->root, rd->vs, rd->conf, rd->inv, in, &rd->out->notes,
	};

	*own = true;
	if (how == ATTACH_ADDRESS)
		return pin(rd, in, w, e);
	if (how == ATTACH_ARGS)
		return mode_keep_to_mdev(rd->vs, in, rd->inv, w, e);
	return how == ATTACH_MAPPING ? mapping_use(&u, w, own, e) : 0;
}

static int read_intent(const struct reader *rd, const struct vm_intent *in, struct err *e)
{
	enum attach how;
	struct want w = {
		.vmid = rd->vs->vmid, .index = in->index, .placement = rd->vs->placement,
		.params = rd->vs->params,
	};
	bool own = true;
	int rc = mode_attach(&rd->c->root, rd->vs, rd->conf, in, &how, e);

	if (rc < 0)
		return rc;
	rc = resolve_choices(rd, in, &w, e);
	if (rc == 0)
		rc = restrict_place(rd, in, how, &w, &own, e);
	if (rc == 0)
		mode_note_lost(rd->vs, rd->conf, in, how, &rd->out->notes);
	if (rc == 0 && own) {
		add_want(rd->out, &w, how);
		return 0;
	}
	if (rc == 0)
		add_left(rd->out, in->index, rd->conf->hostpci[in->index].mapping);
	free(w.choices);
	return rc;
}

static bool has_board(const struct inventory *inv, const char *board)
{
	for (size_t i = 0; i < inv->ngpus; i++)
		if (gpu_is_board(&inv->gpus[i], board))
			return true;
	return false;
}

void intent_boards(const struct ctx *c, const struct strlist *boards, struct catalog *catalog,
		   struct inventory *inv, const char *who, int64_t deadline,
		   struct bdf **gpus, size_t *n, struct strlist *notes)
{
	for (size_t i = 0; i < boards->n; i++) {
		const char *board = boards->s[i];

		/* It may be that of a GPU that has told nothing yet. */
		if (!has_board(inv, board))
			scan_learn(&c->root, catalog, inv, who, deadline);
		if (!has_board(inv, board)) {
			AUTO_FREE char *known = boards_list(inv);

			strlist_take(notes, xasprintf("%s is no board of this node; its boards: %s",
						      QUOTED(board), *known ? known : "none"));
			continue;
		}
		for (size_t k = 0; k < inv->ngpus; k++)
			if (gpu_is_board(&inv->gpus[k], board)) {
				struct bdf *slot = GROW(*gpus, *n);

				*slot = inv->gpus[k].addr;
			}
	}
}

/* An address of 'gpu =' that no GPU here has: told with what there is. */
static char *unknown_address(const struct inventory *inv, const struct bdf *at)
{
	const struct gpu *of_vf = inventory_gpu_of(inv, at);
	AUTO_FREE char *known = boards_gpus(inv);

	if (of_vf)
		return xasprintf("no GPU of this node with vGPU types has the address %s; it is a VF of GPU %s",
				 BDF_STR(at), BDF_STR(&of_vf->addr));
	return xasprintf("no GPU of this node with vGPU types has the address %s; those that have: %s",
			 BDF_STR(at), *known ? known : "none");
}

/* What 'gpu =' stands for on this node, for all that is wanted. */
static int use_gpus(const struct reader *rd, struct err *e)
{
	struct want_list *l = rd->out;
	AUTO_STRLIST struct strlist unknown = { 0 };

	for (size_t i = 0; i < rd->vs->n_gpus; i++) {
		struct bdf *slot;

		if (!inventory_gpu(rd->inv, &rd->vs->gpus[i])) {
			strlist_take(&unknown, unknown_address(rd->inv, &rd->vs->gpus[i]));
			continue;
		}
		slot = GROW(l->gpus, l->ngpus);
		*slot = rd->vs->gpus[i];
	}
	intent_boards(rd->c, &rd->vs->boards, rd->catalog, rd->inv, rd->who, rd->deadline,
		      &l->gpus, &l->ngpus, &unknown);
	if (unknown.n && !l->ngpus) {
		fail(e, -ENODEV, "'gpu': %s", unknown.s[0]);
		err_hint(e, "a board is the name of its types without the size, and an address that of a GPU (`pve-vgpu types`); "
			 "the line is in /etc/pve/pve-vgpu.conf, in [vm %u] or [defaults]", rd->vs->vmid);
		return -ENODEV;
	}
	for (size_t i = 0; i < unknown.n; i++)
		strlist_take(&l->notes, xasprintf("'gpu': %s", unknown.s[i]));
	for (size_t i = 0; i < l->n; i++) {
		l->w[i].gpus = l->gpus;
		l->w[i].ngpus = l->ngpus;
	}
	return 0;
}

/*
 * What the config's hostpci<N> name is qemu-server's to attach, with an intent
 * or without: another vGPU there would take its place.
 */
static void keep_off(const struct vmconf *conf, struct want_list *l)
{
	for (size_t i = 0; i < VMCONF_HOSTPCI_MAX; i++)
		for (size_t k = 0; k < conf->hostpci[i].hosts.n; k++) {
			struct bdf at, *slot;

			if (bdf_parse(conf->hostpci[i].hosts.s[k], &at) < 0)
				continue;
			slot = GROW(l->others, l->nothers);
			*slot = at;
		}
	for (size_t i = 0; i < l->n; i++) {
		l->w[i].others = l->others;
		l->w[i].nothers = l->nothers;
	}
}

static size_t count_places(const struct want *w)
{
	return w->pinned ? 1 : w->namong ? w->namong : SIZE_MAX;
}

/* Who has fewest parents to choose from chooses first, or the VM itself takes its only one. */
static void put_in_order(struct want_list *l)
{
	for (size_t i = 1; i < l->n; i++)
		for (size_t k = i; k && count_places(&l->w[k]) < count_places(&l->w[k - 1]); k--) {
			struct want w = l->w[k];
			enum attach how = l->attach[k];

			l->w[k] = l->w[k - 1];
			l->attach[k] = l->attach[k - 1];
			l->w[k - 1] = w;
			l->attach[k - 1] = how;
		}
}

/* Whether a choice could go to this GPU, as far as its types and 'gpu =' tell. */
static bool concerns(const struct want_list *l, const struct gpu *g)
{
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < l->w[i].nchoices; k++)
			if (!l->w[i].pinned && want_may_use(&l->w[i], &g->addr) &&
			    gpu_offer(g, l->w[i].choices[k]))
				return true;
	return false;
}

/* Where the VM is bound to NUMA nodes or CPUs, and there are GPUs to choose from. */
static void measure(const struct reader *rd)
{
	AUTO_FREE char *hostnodes = vmconf_hostnodes(rd->conf);
	AUTO_FREE bool *which = xcalloc(rd->inv->ngpus, sizeof(*which));
	size_t n = 0;

	for (size_t i = 0; i < rd->inv->ngpus && (hostnodes || rd->conf->affinity); i++)
		n += which[i] = concerns(rd->out, &rd->inv->gpus[i]);
	if (n > 1)
		numa_measure(&rd->c->root, hostnodes, rd->conf->affinity, rd->inv, which);
}

int intent_wants(const struct ctx *c, const struct vm_settings *vs, const struct vmconf *conf,
		 struct catalog *catalog, struct inventory *inv, const char *who,
		 int64_t deadline, struct want_list *out, struct err *e)
{
	struct reader rd = { c, vs, conf, catalog, inv, who, deadline, out };

	*out = (struct want_list){ 0 };
	for (size_t i = 0; i < vs->n_intents; i++) {
		int rc = read_intent(&rd, &vs->intents[i], e);

		if (rc < 0) {
			want_list_free(out);
			return fail_in(e, rc, "hostpci%u", vs->intents[i].index);
		}
	}
	inventory_assume_offers(inv);
	keep_off(conf, out);
	put_in_order(out);

	int rc = out->n ? use_gpus(&rd, e) : 0;

	if (rc < 0)
		want_list_free(out);
	else
		measure(&rd);
	return rc;
}

int intent_check_identity(const struct vm_settings *vs, const struct vmconf *conf, struct err *e)
{
	AUTO_FREE char *own = NULL, *commands = NULL;
	AUTO_STRLIST struct strlist l = { 0 };

	if (identity_matches(vs->identity, conf))
		return 0;
	own = identity_of(conf);
	for (size_t i = 0; i < vs->n_intents; i++)
		strlist_take(&l, mode_set_command(vs, &vs->intents[i]));
	commands = strlist_join(&l, "; ");
	fail(e, -EPERM, "[vm %u] in /etc/pve/pve-vgpu.conf is for another VM (%s), which had this vmid before; "
	     "this one is %s", vs->vmid, vs->identity, own ? own : "without meta and SMBIOS uuid");
	err_hint(e, "%sto give it to this VM: %s; to take it away: pve-vgpu unset %u",
		 identity_same_ctime(vs->identity, conf) ?
		 "it is another clone of the same template, was restored as unique, or its smbios1 was edited; " : "",
		 commands, vs->vmid);
	return -EPERM;
}

struct carried {
	const struct ctx *c;
	const struct settings *settings;
	unsigned int vmid;
	struct err *e;
};

static int check_uuid(void *arg, unsigned int vmid, unsigned int index)
{
	const struct carried *k = arg;
	char uuid[UUID_TEXT_LEN];

	vgpu_pve_uuid(vmid, index, uuid);
	if (vmid == k->vmid && settings_has_intent(k->settings, vmid, index))
		return 0;
	if (vmid == k->vmid) {
		AUTO_FREE char *path = xasprintf("sys/bus/mdev/devices/%s", uuid);

		/* Made by hand, for a config written by hand: not our business. */
		if (root_exists(&k->c->root, path))
			return 0;
		fail(k->e, -EPERM, "args of the VM's config name the vGPU %s, and [vm %u] has no hostpci%u "
		     "in /etc/pve/pve-vgpu.conf (a rollback or restore?)", uuid, vmid, index);
	} else if (settings_has_intent(k->settings, vmid, index)) {
		fail(k->e, -EPERM, "args of the VM's config name the vGPU of vm %u (%s): a clone of that VM?",
		     vmid, uuid);
	} else {
		return 0;
	}
	err_hint(k->e, "pve-vgpu unset %u takes it out, pve-vgpu set %u <type> --index %u gives this VM one of its own; what was "
		 "written by hand: qm set %u --args … (qm config %u shows them)", k->vmid, k->vmid, index, k->vmid,
		 k->vmid);
	return -EPERM;
}

int intent_check_carried(const struct ctx *c, const struct settings *settings,
			 unsigned int vmid, const struct vmconf *conf, struct err *e)
{
	struct carried k = { c, settings, vmid, e };

	return attach_args_uuids(conf, check_uuid, &k);
}
