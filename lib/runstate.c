/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "runstate.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "json_util.h"
#include "params.h"
#include "parse.h"
#include "rundir.h"
#include "xalloc.h"

#define STANDALONE_DIR	RUN_DIR "/standalone"
#define VERSION		1

static const char *const phase_names[] = {
	[RUN_CLAIMED] = "claimed",
	[RUN_CREATED] = "created",
	[RUN_RUNNING] = "running",
};

void runstate_free(struct runstate *s)
{
	for (size_t i = 0; i < s->nvgpus; i++)
		vgpu_clear(&s->vgpus[i]);
	free(take_ptr(s->vgpus));
	s->nvgpus = 0;
	runstate_clear_devices(s);
	free(take_ptr(s->uuid));
	free(take_ptr(s->smbios_uuid));
}

void runstate_clear_devices(struct runstate *s)
{
	for (size_t i = 0; i < s->ndevices; i++)
		free(s->devices[i].params);
	free(take_ptr(s->devices));
	s->ndevices = 0;
}

void runstate_add_device(struct runstate *s, const struct run_device *d)
{
	struct run_device *new = GROW(s->devices, s->ndevices);

	*new = *d;
	new->params = d->params ? xstrdup(d->params) : NULL;
}

const struct run_device *runstate_device(const struct runstate *s, unsigned int index)
{
	for (size_t i = 0; i < s->ndevices; i++)
		if (s->devices[i].index == index)
			return &s->devices[i];
	return NULL;
}

void runstate_add(struct runstate *s, const struct vgpu *v)
{
	struct vgpu *new = GROW(s->vgpus, s->nvgpus);

	vgpu_copy(new, v);
	if (!s->vmid)
		snprintf(s->id, sizeof(s->id), "%s", *v->uuid ? v->uuid : BDF_STR(&v->parent));
}

struct vgpu *runstate_index(const struct runstate *s, unsigned int index)
{
	for (size_t i = 0; i < s->nvgpus; i++)
		if (s->vgpus[i].index == index)
			return &s->vgpus[i];
	return NULL;
}

void runstate_drop(struct runstate *s, size_t i)
{
	vgpu_clear(&s->vgpus[i]);
	memmove(&s->vgpus[i], &s->vgpus[i + 1], (s->nvgpus - i - 1) * sizeof(*s->vgpus));
	s->nvgpus--;
	if (!s->nvgpus)
		free(take_ptr(s->vgpus));
}

static char *state_path(const struct runstate *s)
{
	if (s->vmid)
		return xasprintf(RUN_DIR "/%u.json", s->vmid);
	return xasprintf(STANDALONE_DIR "/%s.json", s->id);
}

static struct json_object *vgpu_json(const struct runstate *s, const struct vgpu *v)
{
	struct json_object *o = json_object_new_object();

	json_add_num(o, "index", v->index);
	json_add_str(o, "framework", framework_name(v->framework));
	json_add_str(o, "gpu", BDF_STR(&v->gpu));
	json_add_str(o, "parent", BDF_STR(&v->parent));
	json_add_str(o, "type", v->type);
	json_add_str(o, "name", v->name);
	json_add_known(o, "framebuffer_mib", v->framebuffer_mib);
	json_add_str(o, "uuid", *v->uuid ? v->uuid : NULL);
	json_add_flag(o, "created", v->exists);
	if (s->vmid && v->index < SETTINGS_HOSTPCI_MAX)
		json_add_str(o, "mode", vm_mode_name(s->modes[v->index]));
	return o;
}

static struct json_object *device_json(const struct run_device *d)
{
	struct json_object *o = json_object_new_object();

	json_add_num(o, "index", d->index);
	json_add_flag(o, "add", d->add);
	json_add_flag(o, "pcie", d->pcie);
	json_add_flag(o, "x_vga", d->x_vga);
	json_add_str(o, "display", display_name(d->display));
	json_add_flag(o, "ramfb", d->ramfb);
	json_add_str(o, "params", d->params);
	return o;
}

/*
 * Between two places that are tried a vGPU is not in the record, and a device
 * without one would make the record damaged for whoever reads it then.
 */
static bool is_sound(const struct runstate *s, const struct run_device *d)
{
	return !d->add || runstate_index(s, d->index);
}

static bool has_device(const struct runstate *s)
{
	for (size_t i = 0; i < s->ndevices; i++)
		if (is_sound(s, &s->devices[i]))
			return true;
	return false;
}

static struct json_object *state_json(const struct runstate *s)
{
	struct json_object *top = json_object_new_object();
	struct json_object *vgpus = json_object_new_array();

	json_add_num(top, "version", VERSION);
	json_add_known(top, "vmid", s->vmid);
	json_add_str(top, "phase", phase_names[s->phase]);
	json_add_num(top, "claimed_ms", (uint64_t)s->claimed_ms);
	json_add_known(top, "qemu", (uint64_t)s->qemu);
	json_add_flag(top, "attached", s->attached);
	for (size_t i = 0; i < s->nvgpus; i++)
		json_object_array_add(vgpus, vgpu_json(s, &s->vgpus[i]));
	json_object_object_add(top, "vgpus", vgpus);
	if (!has_device(s))
		return top;

	struct json_object *devices = json_object_new_array();

	for (size_t i = 0; i < s->ndevices; i++)
		if (is_sound(s, &s->devices[i]))
			json_object_array_add(devices, device_json(&s->devices[i]));
	json_object_object_add(top, "devices", devices);
	json_add_str(top, "uuid", s->uuid);
	json_add_str(top, "smbios_uuid", s->smbios_uuid);
	json_add_flag(top, "no_vga", s->no_vga);
	return top;
}

char *runstate_print(const struct runstate *s)
{
	AUTO_JSON struct json_object *top = state_json(s);

	return json_print(top);
}

int runstate_write(const struct root *r, const struct runstate *s, struct err *e)
{
	if (!s->vmid && !*s->id)
		return 0;

	AUTO_FREE char *path = state_path(s);

	if (!s->nvgpus && !has_device(s)) {
		int gone = root_unlink(r, path, e);

		if (gone < 0)
			rundir_hint(e);
		return gone;
	}

	AUTO_FREE char *text = runstate_print(s);
	int rc = rundir_make(r, s->vmid ? RUN_DIR : STANDALONE_DIR, e);

	if (rc == 0)
		rc = root_replace(r, path, text, 0644, e);
	if (rc < 0)
		rundir_hint(e);
	return rc;
}

struct field {
	const char *key;
	enum json_type type;
};

/*
 * Whether each of these is of its type, null, or not there. To take another for
 * "not there" would be to start a VM without what its record promises.
 */
static bool has_types(struct json_object *o, const struct field *fields, size_t n)
{
	struct json_object *value;

	for (size_t i = 0; i < n; i++)
		if (json_object_object_get_ex(o, fields[i].key, &value) && value &&
		    !json_object_is_type(value, fields[i].type))
			return false;
	return true;
}

static int read_vgpu(struct json_object *o, struct vgpu *v)
{
	static const struct field fields[] = {
		{ "uuid", json_type_string }, { "name", json_type_string },
		{ "framebuffer_mib", json_type_int }, { "created", json_type_boolean },
		{ "mode", json_type_string },
	};
	const char *framework = json_str(o, "framework"), *gpu = json_str(o, "gpu");
	const char *parent = json_str(o, "parent"), *type = json_str(o, "type");
	const char *uuid = json_str(o, "uuid"), *name = json_str(o, "name");
	uint64_t index = json_num(o, "index", UINT64_MAX, 15);

	if (!framework || !gpu || !parent || !type ||
	    framework_parse(framework, &v->framework) < 0 ||
	    bdf_parse(gpu, &v->gpu) < 0 || bdf_parse(parent, &v->parent) < 0 ||
	    (v->framework == FRAMEWORK_MDEV && (!uuid || !is_uuid(uuid))) ||
	    index > 15 || strchr(type, '/') || !has_types(o, fields, ARRAY_SIZE(fields)))
		return -EBADMSG;
	v->type = vgpu_type_key(type, &v->number);
	if (!*v->type)
		return -EBADMSG;
	/* What such a VF holds is told by the number alone, and 0 is a free one. */
	if (v->framework == FRAMEWORK_NVIDIA_VFIO && !v->number)
		return -EBADMSG;
	v->on_gpu = true;
	v->parent_name = xstrdup(BDF_STR(&v->parent));
	v->name = name ? xstrdup(name) : NULL;
	v->framebuffer_mib = (unsigned int)json_num(o, "framebuffer_mib", 0, UINT_MAX);
	if (v->framework == FRAMEWORK_MDEV)
		memcpy(v->uuid, uuid, UUID_TEXT_LEN);
	v->index = (unsigned int)index;
	v->exists = json_flag(o, "created");
	return 0;
}

/* For those who look alone: what is not known is as good as nothing. */
static enum vm_mode parse_mode(const char *name)
{
	for (int m = MODE_NATIVE; name && m <= MODE_WRAPPER; m++)
		if (!strcmp(vm_mode_name((enum vm_mode)m), name))
			return (enum vm_mode)m;
	return MODE_UNSET;
}

static int parse_display(const char *name, enum display *out)
{
	for (*out = DISPLAY_ON; name && *out <= DISPLAY_AUTO; (*out)++)
		if (!strcmp(display_name(*out), name))
			return 0;
	*out = DISPLAY_UNSET;
	return name ? -EBADMSG : 0;
}

/* What is added has its vGPU in the same record, and each index is there once. */
static int read_device(struct json_object *o, struct runstate *s)
{
	static const struct field fields[] = {
		{ "add", json_type_boolean }, { "pcie", json_type_boolean },
		{ "x_vga", json_type_boolean }, { "ramfb", json_type_boolean },
		{ "display", json_type_string }, { "params", json_type_string },
	};
	const char *params = json_str(o, "params");
	uint64_t index = json_num(o, "index", UINT64_MAX, 15);
	struct run_device d = {
		.index = (unsigned int)index, .add = json_flag(o, "add"),
		.pcie = json_flag(o, "pcie"), .x_vga = json_flag(o, "x_vga"),
		.ramfb = json_flag(o, "ramfb"),
	};

	if (index > 15 || runstate_device(s, d.index) || !has_types(o, fields, ARRAY_SIZE(fields)) ||
	    parse_display(json_str(o, "display"), &d.display) < 0 ||
	    (d.add && !runstate_index(s, d.index)) ||
	    (params && params_parse(params, &d.params) < 0))
		return -EBADMSG;
	runstate_add_device(s, &d);
	free(d.params);
	return 0;
}

static int read_devices(struct json_object *top, struct runstate *s)
{
	struct json_object *devices = json_arr(top, "devices");
	const char *uuid = json_str(top, "uuid"), *smbios = json_str(top, "smbios_uuid");

	if ((uuid && !is_uuid(uuid)) || (smbios && !is_uuid(smbios)))
		return -EBADMSG;
	s->uuid = uuid ? xstrdup(uuid) : NULL;
	s->smbios_uuid = smbios ? xstrdup(smbios) : NULL;
	s->no_vga = json_flag(top, "no_vga");
	for (size_t i = 0; devices && i < json_object_array_length(devices); i++)
		if (read_device(json_object_array_get_idx(devices, i), s) < 0)
			return -EBADMSG;
	return s->nvgpus || s->ndevices ? 0 : -EBADMSG;
}

static int parse_phase(const char *name, enum run_phase *out)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(phase_names); i++)
		if (!strcmp(phase_names[i], name)) {
			*out = (enum run_phase)i;
			return 0;
		}
	return -EBADMSG;
}

static int from_json(struct json_object *top, struct runstate *s)
{
	static const struct field fields[] = {
		{ "vmid", json_type_int }, { "claimed_ms", json_type_int }, { "qemu", json_type_int },
		{ "attached", json_type_boolean }, { "devices", json_type_array },
		{ "uuid", json_type_string }, { "smbios_uuid", json_type_string },
		{ "no_vga", json_type_boolean },
	};
	struct json_object *vgpus = json_arr(top, "vgpus");
	uint64_t version = json_num(top, "version", 0, INT64_MAX);

	if (version > VERSION)
		return -EPROTO;
	if (version != VERSION || !vgpus || !has_types(top, fields, ARRAY_SIZE(fields)) ||
	    parse_phase(json_str(top, "phase"), &s->phase) < 0)
		return -EBADMSG;
	s->vmid = (unsigned int)json_num(top, "vmid", 0, 999999999);
	s->claimed_ms = (int64_t)json_num(top, "claimed_ms", 0, INT64_MAX);
	s->qemu = (pid_t)json_num(top, "qemu", 0, INT_MAX);
	s->attached = json_flag(top, "attached");
	for (size_t i = 0; i < json_object_array_length(vgpus); i++) {
		struct vgpu v = {
			.vmid = s->vmid, .owner = s->vmid ? OWNER_VM : OWNER_STANDALONE,
		};
		struct json_object *o = json_object_array_get_idx(vgpus, i);
		int rc = read_vgpu(o, &v);

		if (rc == 0) {
			runstate_add(s, &v);
			s->modes[v.index] = parse_mode(json_str(o, "mode"));
		}
		vgpu_clear(&v);
		if (rc < 0)
			return rc;
	}
	return read_devices(top, s);
}

int runstate_parse(const char *text, size_t len, struct runstate *s)
{
	AUTO_JSON struct json_object *top = json_parse(text, len);
	int rc;

	*s = (struct runstate){ 0 };
	rc = top ? from_json(top, s) : -EBADMSG;
	if (rc < 0)
		runstate_free(s);
	return rc;
}

static int fail_state(int rc, const char *path, struct err *e)
{
	if (rc == -EPROTO) {
		fail(e, rc, "run state '/%s' was written by a newer version of pve-vgpu", path);
		err_hint(e, "upgrade pve-vgpu on this node (apt upgrade pve-vgpu)");
	} else if (rc == -EBADMSG) {
		fail(e, rc, "run state '/%s' is damaged", path);
		err_hint(e, "the VM's next start replaces it; or, while the VM does not run: rm '/%s'", path);
	} else if (rc != -ENOENT) {
		err_hint(e, "pve-vgpu did not leave it so: look what it is (stat '/%s'), and while the VM does not run take it away",
			 path);
	}
	return rc;
}

static int read_state(const struct root *r, const char *path, struct runstate *s, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int rc = root_read(r, path, &text, &len, e);

	*s = (struct runstate){ 0 };
	if (rc < 0)
		return fail_state(rc, path, e);

	rc = runstate_parse(text, len, s);
	return rc < 0 ? fail_state(rc, path, e) : 0;
}

int runstate_read(const struct root *r, unsigned int vmid, struct runstate *s, struct err *e)
{
	AUTO_FREE char *path = xasprintf(RUN_DIR "/%u.json", vmid);
	int rc = read_state(r, path, s, e);

	if (rc == 0 && s->vmid != vmid) {
		runstate_free(s);
		fail(e, -EBADMSG, "run state '/%s' names another VM", path);
		err_hint(e, "the VM's next start replaces it; or, while the VM does not run: rm '/%s'", path);
		return -EBADMSG;
	}
	return rc;
}

static int list_dir(const struct root *r, const char *dir, bool standalone,
		    struct runstate_list *l, struct strlist *problems, struct err *e)
{
	AUTO_STRLIST struct strlist names = { 0 };
	AUTO_ERR struct err why = { 0 };
	int rc = root_list(r, dir, &names, &why);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return fail(e, rc, "%s", why.msg);
	strlist_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		const char *dot = strrchr(names.s[i], '.');
		AUTO_FREE char *path = xasprintf("%s/%s", dir, names.s[i]);
		AUTO_ERR struct err one = { 0 };
		struct runstate s;

		if (names.s[i][0] == '.' || !dot || strcmp(dot, ".json"))
			continue;
		rc = read_state(r, path, &s, &one);
		if (rc == 0 && standalone == !s.vmid) {
			struct runstate *slot = GROW(l->s, l->n);

			*slot = s;
		} else if (rc != -ENOENT) {
			strlist_take(problems, xasprintf("%s", one.msg ? one.msg : path));
			l->unread += rc < 0 && rc != -EBADMSG && rc != -EPROTO;
			if (rc == 0)
				runstate_free(&s);
		}
	}
	return 0;
}

int runstate_list_read(const struct root *r, struct runstate_list *l, struct strlist *problems,
		       struct err *e)
{
	int rc = list_dir(r, RUN_DIR, false, l, problems, e);

	return rc < 0 ? rc : list_dir(r, STANDALONE_DIR, true, l, problems, e);
}

void runstate_list_free(struct runstate_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		runstate_free(&l->s[i]);
	free(take_ptr(l->s));
	l->n = 0;
}

static struct vgpu *find(const struct inventory *inv, const struct vgpu *v)
{
	struct vgpu *there;

	if (v->framework == FRAMEWORK_MDEV)
		return inventory_by_uuid(inv, v->uuid);
	there = inventory_on(inv, &v->parent);
	/* Another type there: the VF is somebody else's by now. */
	return there && there->number == v->number ? there : NULL;
}

static void merge_one(const struct vgpu *v, struct inventory *inv)
{
	struct vgpu *there = find(inv, v);

	if (!there) {
		there = inventory_add(inv, v);
		there->made = v->exists;
		there->exists = false;
		return;
	}
	there->owner = v->owner;
	there->vmid = v->vmid;
	there->index = v->index;
	there->made |= v->exists;
	if (!there->framebuffer_mib)
		there->framebuffer_mib = v->framebuffer_mib;
	if (!there->name && v->name)
		there->name = xstrdup(v->name);
}

void runstate_merge(const struct runstate *s, size_t n, struct inventory *inv)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < s[i].nvgpus; k++)
			merge_one(&s[i].vgpus[k], inv);
}

void runstate_mark_pve(struct inventory *inv)
{
	for (size_t i = 0; i < inv->nvgpus; i++) {
		struct vgpu *v = &inv->vgpus[i];

		if (v->owner == OWNER_UNKNOWN && vgpu_pve_uuid_parse(v->uuid, &v->vmid, &v->index))
			v->owner = OWNER_PVE;
	}
}
