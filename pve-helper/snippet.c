/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "snippet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cluster.h"
#include "parse.h"
#include "pve_call.h"
#include "quote.h"
#include "vmconf_file.h"
#include "xalloc.h"

#define VM_DIR	"etc/pve/qemu-server"
#define PMXCFS	"usr/bin/pmxcfs"	/* of pve-cluster, on every node of PVE */

/* --- what there is --- */

static void place_free(struct snippet_place *p)
{
	free(p->volid);
	free(p->path);
	free(p->vms);
}

void snippet_places_free(struct snippet_places *l)
{
	for (size_t i = 0; i < l->n; i++)
		place_free(&l->p[i]);
	free(take_ptr(l->p));
	for (size_t i = 0; i < l->nuses; i++) {
		free(l->uses[i].volid);
		free(l->uses[i].vms);
	}
	free(take_ptr(l->uses));
	strlist_free(&l->lost);
	strlist_free(&l->unread);
	storage_list_free(&l->storages);
	l->n = l->nuses = 0;
}

/* Whether anything has the name, a link that leads nowhere too. */
static bool is_taken(const struct root *r, const char *path)
{
	AUTO_FD int fd = root_openat(r, path + (*path == '/'), O_PATH | O_NOFOLLOW, 0);

	return fd >= 0;
}

static void look_at(const struct root *r, const struct storage *s, struct snippet_place *p)
{
	AUTO_FREE char *dir = storage_snippets_dir(s);
	AUTO_FREE char *ours = snippet_link_in(r, dir);
	const char *name = ours ? ours : SNIPPET_NAME;

	p->storage = s;
	p->volid = xasprintf("%s:snippets/%s", s->id, name);
	p->path = xasprintf("%s/%s", dir, name);
	p->link = ours ? SNIPPET_OURS : is_taken(r, p->path) ? SNIPPET_FOREIGN : SNIPPET_NONE;
}

/* A volume of this storage. */
static bool is_in(const char *volid, const char *storage)
{
	size_t len = strlen(storage);

	return !strncmp(volid, storage, len) && volid[len] == ':';
}

/* A storage's place counts the VMs whose hookscript there leads to us, by whatever name. */
static void count_user(struct snippet_places *l, const char *volid, unsigned int vmid)
{
	for (size_t i = 0; i < l->n; i++) {
		struct snippet_place *p = &l->p[i];

		if (is_in(volid, p->storage->id)) {
			unsigned int *slot = GROW(p->vms, p->nvms);

			*slot = vmid;
		}
	}
}

static struct snippet_use *use_of(struct snippet_places *l, const char *volid)
{
	struct snippet_use *use;

	for (size_t i = 0; i < l->nuses; i++)
		if (!strcmp(l->uses[i].volid, volid))
			return &l->uses[i];
	use = GROW(l->uses, l->nuses);
	use->volid = xstrdup(volid);
	return use;
}

static void note_use(struct snippet_places *l, const char *volid, unsigned int vmid)
{
	struct snippet_use *use = use_of(l, volid);
	unsigned int *slot = GROW(use->vms, use->nvms);

	*slot = vmid;
	count_user(l, volid, vmid);
}

/* With a hookscript of our name that does not lead to us PVE does not start the VM, or calls another program. */
static void add_vm(const struct root *r, struct snippet_places *l, unsigned int vmid)
{
	AUTO_VMCONF struct vmconf conf = { 0 };
	AUTO_FREE char *path = NULL;
	AUTO_ERR struct err why = { 0 };
	int rc = vmconf_read(r, vmid, NULL, &conf, &why);

	/* One that is gone by now was destroyed or has moved. */
	if (rc < 0 && rc != -ENOENT)
		strlist_take(&l->unread, xasprintf("vm %u: %s", vmid, why.msg));
	if (rc < 0 || !conf.hookscript)
		return;
	if (storage_snippet_path(&l->storages, conf.hookscript, &path, NULL) == 0 &&
	    snippet_is_ours(r, path))
		note_use(l, conf.hookscript, vmid);
	else if (!strcmp(path_base(conf.hookscript), SNIPPET_NAME))
		strlist_take(&l->lost, xasprintf("vm %u: its hookscript %s is not there on this node",
						 vmid, QUOTED(conf.hookscript)));
}

static int by_number(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return x < y ? -1 : x > y;
}

static int add_vms(const struct root *r, struct snippet_places *l, struct err *e)
{
	AUTO_STRLIST struct strlist names = { 0 };
	AUTO_FREE unsigned int *vmids = NULL;
	size_t n = 0;
	int rc = root_list(r, VM_DIR, &names, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < names.n; i++) {
		char *dot = strrchr(names.s[i], '.');
		unsigned int vmid;

		if (!dot || strcmp(dot, ".conf"))
			continue;
		*dot = '\0';
		if (parse_vmid(names.s[i], &vmid) < 0)
			continue;

		unsigned int *slot = GROW(vmids, n);

		*slot = vmid;
	}
	if (n)
		qsort(vmids, n, sizeof(*vmids), by_number);
	for (size_t i = 0; i < n; i++)
		add_vm(r, l, vmids[i]);
	return 0;
}

static int add_places(const struct root *r, struct snippet_places *out, struct err *e)
{
	AUTO_FREE char *node = storage_local_node(r);
	int rc = storage_list_read(r, &out->storages, e);

	for (size_t i = 0; rc == 0 && i < out->storages.n; i++) {
		const struct storage *s = &out->storages.s[i];

		if (!s->path || !storage_on_node(s, node))
			continue;

		struct snippet_place *p = GROW(out->p, out->n);

		look_at(r, s, p);
	}
	return rc;
}

int snippet_look(const struct root *r, struct snippet_places *out, struct err *e)
{
	int rc = add_places(r, out, e);

	return rc < 0 ? rc : add_vms(r, out, e);
}

/* --- choosing --- */

static int refuse_storage(const char *id, const char *why, struct err *e)
{
	fail(e, -ENOENT, "storage %s %s", QUOTED(id), why);
	err_hint(e, "take a storage of this node's own, such as 'local', and run this on each node");
	return -ENOENT;
}

static int refuse_unknown(const char *id, struct err *e)
{
	fail(e, -ENOENT, "storage %s is not in /" STORAGE_CFG, QUOTED(id));
	err_hint(e, "'pvesm status' lists the storages");
	return -ENOENT;
}

static struct snippet_place *place_of(const struct snippet_places *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->p[i].storage->id, id))
			return &l->p[i];
	return NULL;
}

/* The storage that was asked for, with the reason where it will not do. */
static int choose_asked(const struct snippet_places *l, const char *id, struct snippet_place **out,
			struct err *e)
{
	const struct storage *s = storage_find(&l->storages, id);

	if (!s)
		return refuse_unknown(id, e);
	if (s->shared)
		return refuse_storage(id, "is shared: the link would be there for every node, also for those without pve-vgpu", e);
	*out = place_of(l, id);
	if (!*out)
		return refuse_storage(id, !s->path ? "has no directory for snippets" :
				      s->disabled ? "is disabled" : "is not on this node", e);
	return storage_is_local(s) ? 0 :
		refuse_storage(id, "is neither dir nor btrfs, so it may be another node's too", e);
}

static bool is_first(const struct snippet_place *p)
{
	return !strcmp(p->storage->id, "local");
}

/* Where it is, else `local`, else another that can hold it. */
static struct snippet_place *choose_any(const struct snippet_places *l)
{
	struct snippet_place *best = NULL;
	int rank = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct snippet_place *p = &l->p[i];
		int now;

		if (!storage_is_local(p->storage))
			continue;
		now = !storage_has_snippets(p->storage) ? 1 : p->link == SNIPPET_OURS ? 5 : 3;
		now += is_first(p);
		if (now > rank) {
			best = p;
			rank = now;
		}
	}
	return best;
}

static int choose(const struct snippet_places *l, const char *storage, struct snippet_place **out,
		  struct err *e)
{
	if (storage)
		return choose_asked(l, storage, out, e);
	*out = choose_any(l);
	if (*out)
		return 0;
	fail(e, -ENOENT, "no storage of this node's own can hold snippets");
	err_hint(e, "pvesm add dir <name> --path <directory> --content snippets --nodes <node>");
	return -ENOENT;
}

/* --- installing --- */

static char *content_with_snippets(const struct storage *s)
{
	AUTO_FREE char *now = strlist_join(&s->content, ",");

	/* "none" stands alone. */
	if (!*now || !strcmp(now, "none"))
		return xstrdup("snippets");
	return xasprintf("%s,snippets", now);
}

static int enable_snippets(const struct root *r, const struct storage *s, const char *digest, bool enable,
			   bool dry_run, struct strlist *said, struct err *e)
{
	AUTO_FREE char *content = content_with_snippets(s);
	AUTO_STRLIST struct strlist words = { 0 };

	if (!enable) {
		fail(e, -ENOENT, "storage %s holds no snippets", QUOTED(s->id));
		err_hint(e, "pve-vgpu snippet install --storage %s --enable, which runs: pvesm set %s --content %s",
			 s->id, s->id, content);
		return -ENOENT;
	}
	strlist_add(&words, "set");
	strlist_add(&words, s->id);
	/* The whole list is written anew: what somebody has added to it meanwhile would be lost. */
	strlist_add(&words, "--digest");
	strlist_add(&words, digest);
	strlist_add(&words, "--content");
	strlist_add(&words, content);
	strlist_take(said, xasprintf("let storage %s hold snippets: pvesm set %s --content %s",
				     QUOTED(s->id), s->id, content));
	return dry_run ? 0 : pve_call(r, PVESM, &words, NULL, e);
}

/* PVE's own word on it: a directory may be a disk that is not mounted. */
static int check_active(const struct root *r, const struct storage *s, bool with_content,
			struct err *e)
{
	AUTO_STRLIST struct strlist words = { 0 };
	AUTO_FREE char *table = NULL;
	AUTO_FREE char *state = NULL;
	int rc;

	strlist_add(&words, "status");
	strlist_add(&words, "--storage");
	strlist_add(&words, s->id);
	if (with_content) {
		strlist_add(&words, "--content");
		strlist_add(&words, "snippets");
	}
	rc = pve_call(r, PVESM, &words, &table, e);
	if (rc < 0)
		return rc;
	state = storage_status_word(table, s->id);
	if (state && !strcmp(state, "active"))
		return 0;
	fail(e, -ENODEV, "storage %s is %s", QUOTED(s->id),
	     state ? state : "not among those that hold snippets, as pvesm has it");
	err_hint(e, "pvesm status --storage %s", s->id);
	return -ENODEV;
}

/* Two runs at once may both come here. */
static int make_link(const struct root *r, const struct snippet_place *p, struct err *e)
{
	AUTO_FREE char *dir = storage_snippets_dir(p->storage);
	AUTO_ERR struct err why = { 0 };
	int rc = root_mkdir(r, dir + (*dir == '/'), e);

	if (rc < 0)
		return rc;
	rc = root_symlink(r, "/" HOOK_PROGRAM, p->path + (*p->path == '/'), &why);
	if (rc == -EEXIST && snippet_is_ours(r, p->path))
		return 0;
	return rc < 0 ? err_move(e, &why, rc) : 0;
}

static int install_at(const struct root *r, const struct snippet_place *p, const char *digest, bool enable,
		      bool dry_run, struct strlist *said, struct err *e)
{
	bool has = storage_has_snippets(p->storage);
	int rc = 0;

	if (p->link == SNIPPET_FOREIGN) {
		fail(e, -EEXIST, "%s is something else, and is left alone", QUOTED(p->path));
		err_hint(e, "look at it with ls -l %s; move it away, or take another storage", p->path);
		return -EEXIST;
	}
	if (!has)
		rc = enable_snippets(r, p->storage, digest, enable, dry_run, said, e);
	if (rc < 0 || p->link == SNIPPET_OURS)
		return rc;
	rc = check_active(r, p->storage, has || !dry_run, e);
	if (rc < 0)
		return rc;
	strlist_take(said, xasprintf("link %s to /" HOOK_PROGRAM, p->path));
	return dry_run ? 0 : make_link(r, p, e);
}

int snippet_install(const struct root *r, const char *storage, bool enable, bool dry_run,
		    char **volid, struct strlist *said, struct err *e)
{
	AUTO_PLACES struct snippet_places l = { 0 };
	struct snippet_place *p = NULL;
	int rc = snippet_look(r, &l, e);

	if (rc == 0 && !root_exists(r, HOOK_PROGRAM)) {
		fail(e, -ENOENT, "there is no /" HOOK_PROGRAM " to link to");
		err_hint(e, "install the package pve-vgpu on this node first");
		return -ENOENT;
	}
	if (rc == 0)
		rc = choose(&l, storage, &p, e);
	if (rc == 0)
		rc = install_at(r, p, l.storages.digest, enable, dry_run, said, e);
	if (rc == 0)
		*volid = xstrdup(p->volid);
	return rc;
}

/* --- removing --- */

static bool concerns(const struct snippet_place *p, const char *storage)
{
	return p->link == SNIPPET_OURS && storage_is_local(p->storage) &&
		(!storage || !strcmp(p->storage->id, storage));
}

/* No configs where PVE is: pmxcfs does not run. Where it is not, nobody has a hookscript. */
static int add_users(const struct root *r, struct snippet_places *l, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	int rc = add_vms(r, l, &why);

	if (rc == -ENOENT && !root_exists(r, PMXCFS))
		return 0;
	if (rc == -ENOENT && cluster_mounted(r, e) < 0)
		return rc;
	return rc < 0 ? err_move(e, &why, rc) : 0;
}

static char *use_text(const struct snippet_use *use)
{
	AUTO_STRLIST struct strlist ids = { 0 };
	AUTO_FREE char *list = NULL;

	for (size_t i = 0; i < use->nvms; i++)
		strlist_take(&ids, xasprintf("%u", use->vms[i]));
	list = strlist_join(&ids, ", ");
	return xasprintf("%s is the hookscript of %s %s", use->volid, use->nvms == 1 ? "vm" : "vms", list);
}

static int check_unused(const struct snippet_places *l, const char *storage, struct err *e)
{
	AUTO_STRLIST struct strlist used = { 0 };
	AUTO_FREE char *list = NULL;

	for (size_t i = 0; i < l->nuses; i++)
		if (!storage || is_in(l->uses[i].volid, storage))
			strlist_take(&used, use_text(&l->uses[i]));
	if (used.n) {
		list = strlist_join(&used, "; ");
		fail(e, -EBUSY, "%s", list);
		err_hint(e, "for each of them: pve-vgpu unset <vmid>, or qm set <vmid> --delete hookscript");
		return -EBUSY;
	}
	if (!l->unread.n)
		return 0;
	fail(e, -EIO, "%s", l->unread.s[0]);
	err_hint(e, "whether pve-vgpu is its hookscript is not known: put the config right");
	return -EIO;
}

static int remove_at(const struct root *r, const struct snippet_place *p, bool dry_run,
		     struct strlist *said, struct err *e)
{
	const char *path = p->path + (*p->path == '/');
	AUTO_FREE char *target = NULL;

	/* What is no link is no work of ours, whatever it leads to. */
	if (root_readlink(r, path, &target, NULL) < 0)
		return 0;
	strlist_take(said, xasprintf("remove %s", p->path));
	return dry_run ? 0 : root_unlink(r, path, e);
}

int snippet_remove(const struct root *r, const char *storage, bool dry_run, struct strlist *said,
		   struct err *e)
{
	AUTO_PLACES struct snippet_places l = { 0 };
	int rc = add_places(r, &l, e);

	if (rc == 0 && storage && !storage_find(&l.storages, storage))
		return refuse_unknown(storage, e);
	if (rc == 0)
		rc = add_users(r, &l, e);
	if (rc == 0)
		rc = check_unused(&l, storage, e);
	for (size_t i = 0; i < l.n && rc == 0; i++)
		if (concerns(&l.p[i], storage))
			rc = remove_at(r, &l.p[i], dry_run, said, e);
	return rc;
}
