/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "catalog.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json_util.h"
#include "quote.h"
#include "xalloc.h"

#define CATALOG_FILE	CATALOG_DIR "/types.json"
#define CATALOG_VERSION	1

struct vgpu_type *catalog_type(const struct catalog *c, const char *key)
{
	for (size_t i = 0; i < c->ntypes; i++)
		if (!strcmp(c->types[i]->key, key))
			return c->types[i];
	return NULL;
}

struct vgpu_type *catalog_add(struct catalog *c, const char *key, unsigned int number,
			      const char *full_name)
{
	struct vgpu_type *t = catalog_type(c, key);

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->key = xstrdup(key);
	t->number = number;
	t->full_name = text_clean(full_name, VGPU_NAME_MAX);
	if (!*t->full_name) {
		free(t->full_name);
		t->full_name = text_clean(vgpu_type_id(t), VGPU_NAME_MAX);
	}
	if (number)
		t->framebuffer_mib = vgpu_type_mib_of_name(t->full_name);

	struct vgpu_type **slot = GROW(c->types, c->ntypes);

	*slot = t;
	c->changed = true;
	return t;
}

struct catalog_gpu *catalog_gpu(const struct catalog *c, const struct bdf *addr)
{
	for (size_t i = 0; i < c->ngpus; i++)
		if (bdf_eq(&c->gpus[i].addr, addr))
			return &c->gpus[i];
	return NULL;
}

static bool gpu_has(const struct catalog_gpu *g, const struct vgpu_type *t)
{
	for (size_t i = 0; i < g->ntypes; i++)
		if (g->types[i] == t)
			return true;
	return false;
}

void catalog_gpu_offers(struct catalog *c, const struct bdf *addr,
			const struct vgpu_type *const *types, size_t n)
{
	struct catalog_gpu *g = catalog_gpu(c, addr);
	bool shared = false;

	if (!n)
		return;
	if (!g) {
		g = GROW(c->gpus, c->ngpus);
		g->addr = *addr;
	}
	for (size_t i = 0; i < g->ntypes && !shared; i++)
		shared = vgpu_type_same_board(g->types[i], types[0]);
	if (!shared)
		g->ntypes = 0;
	for (size_t i = 0; i < n; i++) {
		if (gpu_has(g, types[i]))
			continue;
		if (!g->ntypes)
			free(take_ptr(g->types));

		const struct vgpu_type **slot = GROW(g->types, g->ntypes);

		*slot = types[i];
		c->changed = true;
	}
}

void catalog_free(struct catalog *c)
{
	for (size_t i = 0; i < c->ntypes; i++) {
		vgpu_type_free(c->types[i]);
		free(c->types[i]);
	}
	for (size_t i = 0; i < c->ngpus; i++)
		free(c->gpus[i].types);
	free(c->types);
	free(c->gpus);
	free(c->driver);
	*c = (struct catalog){ 0 };
}

static void load_types(struct catalog *c, struct json_object *types)
{
	for (size_t i = 0; types && i < json_object_array_length(types); i++) {
		struct json_object *row = json_object_array_get_idx(types, i);
		const char *key = json_str(row, "type"), *name = json_str(row, "full_name");
		unsigned int number = 0;

		if (!key || !name)
			continue;

		AUTO_FREE char *real_key = vgpu_type_key(key, &number);
		struct vgpu_type *t = catalog_add(c, real_key, number, name);

		t->framebuffer_mib = (unsigned int)json_num(row, "framebuffer_mib", 0, UINT_MAX);
		t->max_instance = (unsigned int)json_num(row, "max_instance", 0, UINT_MAX);
		t->described = json_flag(row, "described");
	}
}

static void load_gpus(struct catalog *c, struct json_object *gpus)
{
	for (size_t i = 0; gpus && i < json_object_array_length(gpus); i++) {
		struct json_object *row = json_object_array_get_idx(gpus, i);
		struct json_object *keys = json_arr(row, "types");
		const char *addr_text = json_str(row, "gpu");
		struct bdf addr;

		if (!addr_text || bdf_parse(addr_text, &addr) < 0 || !keys)
			continue;

		size_t n = json_object_array_length(keys), known = 0;
		AUTO_FREE const struct vgpu_type **types = xcalloc(n, sizeof(*types));

		for (size_t k = 0; k < n; k++) {
			const char *key = json_object_get_string(json_object_array_get_idx(keys, k));
			const struct vgpu_type *t = key ? catalog_type(c, key) : NULL;

			if (t)
				types[known++] = t;
		}
		catalog_gpu_offers(c, &addr, types, known);
	}
}

/*
 * The first line of /proc/driver/nvidia/version, which names the version. Not
 * /sys/module/nvidia/version: that is an attribute more at each start.
 */
static char *driver_version(const struct root *r)
{
	char *text;
	size_t len;

	if (root_read(r, "proc/driver/nvidia/version", &text, &len, NULL) < 0)
		return xstrdup("");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

void catalog_fresh(struct catalog *c, const struct root *r)
{
	*c = (struct catalog){ .driver = driver_version(r) };
}

void catalog_parse(struct catalog *c, const char *text, size_t len, bool any_driver)
{
	AUTO_JSON struct json_object *top = json_parse(text, len);

	if (!top || json_num(top, "version", 0, UINT_MAX) != CATALOG_VERSION)
		return;

	const char *driver = json_str(top, "driver");

	if (!any_driver && (!driver || strcmp(driver, c->driver)))
		return;
	load_types(c, json_arr(top, "types"));
	load_gpus(c, json_arr(top, "gpus"));
	c->changed = false;
}

static void load(struct catalog *c, const struct root *r, bool any_driver)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	catalog_fresh(c, r);
	if (root_read(r, CATALOG_FILE, &text, &len, NULL) == 0)
		catalog_parse(c, text, len, any_driver);
}

void catalog_load(struct catalog *c, const struct root *r)
{
	load(c, r, false);
}

void catalog_load_last(struct catalog *c, const struct root *r)
{
	load(c, r, true);
}

static struct json_object *types_json(const struct catalog *c)
{
	struct json_object *types = json_object_new_array();

	for (size_t i = 0; i < c->ntypes; i++) {
		const struct vgpu_type *t = c->types[i];
		struct json_object *row = json_object_new_object();

		json_add_str(row, "type", t->key);
		json_add_str(row, "full_name", t->full_name);
		json_add_num(row, "framebuffer_mib", t->framebuffer_mib);
		json_add_num(row, "max_instance", t->max_instance);
		json_add_flag(row, "described", t->described);
		json_object_array_add(types, row);
	}
	return types;
}

static struct json_object *gpus_json(const struct catalog *c)
{
	struct json_object *gpus = json_object_new_array();

	for (size_t i = 0; i < c->ngpus; i++) {
		struct json_object *row = json_object_new_object();
		struct json_object *keys = json_object_new_array();

		for (size_t k = 0; k < c->gpus[i].ntypes; k++)
			json_object_array_add(keys, json_object_new_string(c->gpus[i].types[k]->key));
		json_add_str(row, "gpu", BDF_STR(&c->gpus[i].addr));
		json_object_object_add(row, "types", keys);
		json_object_array_add(gpus, row);
	}
	return gpus;
}

/* What others have learned of the same board in the same slot, if c has it at all. */
static void merge_gpu(struct catalog *c, const struct catalog_gpu *saved)
{
	const struct catalog_gpu *own = catalog_gpu(c, &saved->addr);
	AUTO_FREE const struct vgpu_type **types = xcalloc(saved->ntypes, sizeof(*types));

	if (!saved->ntypes ||
	    (own && own->ntypes && !vgpu_type_same_board(own->types[0], saved->types[0])))
		return;
	for (size_t i = 0; i < saved->ntypes; i++)
		types[i] = catalog_type(c, saved->types[i]->key);
	catalog_gpu_offers(c, &saved->addr, types, saved->ntypes);
}

/*
 * The file may have grown since it was loaded, and with vendor VFIO what it has
 * more may not be seen again before the GPU is empty.
 */
void catalog_merge(struct catalog *c, const struct root *r)
{
	AUTO_CATALOG struct catalog saved = { 0 };

	catalog_load(&saved, r);
	for (size_t i = 0; i < saved.ntypes; i++) {
		const struct vgpu_type *t = saved.types[i];

		if (catalog_type(c, t->key))
			continue;

		struct vgpu_type *own = catalog_add(c, t->key, t->number, t->full_name);

		own->framebuffer_mib = t->framebuffer_mib;
		own->max_instance = t->max_instance;
		own->described = t->described;
	}
	for (size_t i = 0; i < saved.ngpus; i++)
		merge_gpu(c, &saved.gpus[i]);
}

char *catalog_print(const struct catalog *c)
{
	AUTO_JSON struct json_object *top = json_object_new_object();

	json_add_num(top, "version", CATALOG_VERSION);
	json_add_str(top, "driver", c->driver);
	json_object_object_add(top, "types", types_json(c));
	json_object_object_add(top, "gpus", gpus_json(c));
	return json_print(top);
}

int catalog_save(struct catalog *c, const struct root *r, struct err *e)
{
	if (!c->changed || c->held)
		return 0;
	catalog_merge(c, r);

	AUTO_FREE char *text = catalog_print(c);
	int rc = root_mkdir(r, CATALOG_DIR, e);

	if (rc == 0)
		rc = root_replace(r, CATALOG_FILE, text, 0644, e);
	if (rc == 0)
		c->changed = false;
	return rc;
}
