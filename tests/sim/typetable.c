/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * vGPU types from JSON, with defaults for what a row does not say.
 */
#include "typetable.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct row {
	unsigned int heads, frl;
	const char *max_resolution;
};

static int types_json_path(char *buf, size_t size, struct err *e)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n < 0)
		return fail(e, "read /proc/self/exe: %m");
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (slash)
		*slash = '\0';
	if (snprintf(buf, size, "%s/../nodes/types.json", exe) >= (int)size)
		return fail(e, "the path of types.json is too long");
	return 0;
}

/* Read once; kept. */
static json_object *table(char *path, size_t size, struct err *e)
{
	static json_object *o;

	if (types_json_path(path, size, e))
		return NULL;
	if (!o)
		o = json_object_from_file(path);
	if (!o)
		fail(e, "read %s: %s", path, json_util_get_last_err());
	return o;
}

/* The last "-[slices-]<GB><letters>" of a name such as "GRID A100-1-5C". */
static bool parse_name(const char *name, unsigned int *slices, unsigned int *gb,
		       const char **suffix)
{
	const char *dash = name ? strrchr(name, '-') : NULL;
	const char *p;
	char *end;

	if (!dash || !isdigit((unsigned char)dash[1]))
		return false;
	*gb = (unsigned int)strtoul(dash + 1, &end, 10);
	*suffix = end;
	*slices = 0;
	p = dash - 1;
	if (p > name + 1 && p[-1] == '-' && *p >= '1' && *p <= '9')
		*slices = (unsigned int)(*p - '0');
	return true;
}

static void default_sizes(const struct gpu *gpu, struct vgpu_type *t)
{
	unsigned int slices = 0, gb = 0;
	const char *suffix = "";

	parse_name(t->name, &slices, &gb, &suffix);
	if (!t->fb_mib && t->number)
		t->fb_mib = gb ? gb * 1024 : 512;
	if (!t->gi_slices && slices && t->number)
		t->gi_slices = slices;
	if (t->gi_slices && !t->gi_profile && strstr(suffix, "ME"))
		t->gi_profile = must_printf("%ug.%ugb+me", t->gi_slices, gb);
	if (t->max_instance)
		return;
	t->max_instance = t->fb_mib ? gpu->memory_mib / t->fb_mib : 1;
	if (gpu->totalvfs && t->max_instance > gpu->totalvfs)
		t->max_instance = gpu->totalvfs;
	if (!t->max_instance)
		t->max_instance = 1;
}

static void default_description(struct vgpu_type *t, const struct row *r)
{
	if (t->description || !t->number)
		return;
	t->description = must_printf("num_heads=%u, frl_config=%u, "
				     "framebuffer=%uM, max_resolution=%s, "
				     "max_instance=%u", r->heads, r->frl,
				     t->fb_mib, r->max_resolution,
				     t->max_instance);
}

static int parse_id(json_object *o, struct vgpu_type *t, struct err *e)
{
	json_object *id;
	const char *s;
	char *end;

	if (!json_object_object_get_ex(o, "id", &id))
		return fail(e, "a type without 'id'");
	s = json_object_get_string(id);
	if (json_object_is_type(id, json_type_string) && !strncmp(s, "nvidia-", 7))
		s += 7;
	else if (!json_object_is_type(id, json_type_string) &&
		 !json_object_is_type(id, json_type_int))
		return fail(e, "'id' is neither a number nor a string: %s", s);
	if (!*s || strchr(s, '/'))
		return fail(e, "'id' cannot be a directory's name: '%s'", s);
	t->id = s;
	t->number = (unsigned int)strtoul(s, &end, 10);
	if (!isdigit((unsigned char)*s) || *end)
		t->number = 0;
	else if (!t->number)
		return fail(e, "'id' 0 stands for no type");
	return 0;
}

static int parse_type(json_object *o, const struct gpu *gpu,
		      struct vgpu_type *t, struct err *e)
{
	static const char *const keys[] = {
		"id", "name", "framebuffer_mib", "max_instance", "num_heads",
		"frl", "max_resolution", "description", "gi_slices",
		"gi_profile", "max_instance_per_gi", "gpu", NULL
	};
	struct row r = { .heads = 4, .frl = 60, .max_resolution = "7680x4320" };

	if (!json_object_is_type(o, json_type_object))
		return fail(e, "a type is no object: %s",
			    json_object_to_json_string(o));
	*t = (struct vgpu_type){ .max_per_gi = 1 };
	if (parse_id(o, t, e))
		return -1;
	if (json_only_keys(o, keys, e) ||
	    json_string(o, "name", &t->name, e) ||
	    json_string(o, "description", &t->description, e) ||
	    json_string(o, "max_resolution", &r.max_resolution, e) ||
	    json_string(o, "gi_profile", &t->gi_profile, e) ||
	    json_uint(o, "framebuffer_mib", 1 << 30, &t->fb_mib, e) ||
	    json_uint(o, "max_instance", 65535, &t->max_instance, e) ||
	    json_uint(o, "num_heads", 65535, &r.heads, e) ||
	    json_uint(o, "frl", 65535, &r.frl, e) ||
	    json_uint(o, "gi_slices", 7, &t->gi_slices, e) ||
	    json_uint(o, "max_instance_per_gi", 65535, &t->max_per_gi, e))
		return fail_in(e, "type '%s'", t->id);
	default_sizes(gpu, t);
	default_description(t, &r);
	return 0;
}

static int add_type(json_object *o, const struct gpu *gpu, struct type_set *set,
		    struct err *e)
{
	struct vgpu_type *t = &set->v[set->n];
	unsigned int i;

	if (parse_type(o, gpu, t, e))
		return -1;
	for (i = 0; i < set->n; i++)
		if (!strcmp(set->v[i].id, t->id))
			return fail(e, "type '%s' stands there twice", t->id);
	if (!t->number)
		set->pool = true;
	set->n++;
	return 0;
}

/* The rows of one board of a flat array, or all rows where @board is NULL. */
static int load_array(json_object *a, const char *board, const struct gpu *gpu,
		      struct type_set *out, struct err *e)
{
	size_t i, n = json_object_array_length(a);

	if (n > 4096 && !board)
		return fail(e, "more than 4096 types");
	*out = (struct type_set){ .v = must_calloc(n, sizeof(*out->v)) };
	for (i = 0; i < n; i++) {
		json_object *o = json_object_array_get_idx(a, i), *b;

		if (board && (!json_object_object_get_ex(o, "gpu", &b) ||
			      strcmp(json_object_get_string(b), board)))
			continue;
		if (add_type(o, gpu, out, e))
			return -1;
	}
	return 0;
}

static int load_board(const char *board, const struct gpu *gpu,
		      struct type_set *out, struct err *e)
{
	char path[PATH_MAX + 32] = "";
	json_object *t = table(path, sizeof(path), e), *a = NULL;
	int rc;

	if (!t)
		return -1;
	if (json_object_is_type(t, json_type_array)) {
		rc = load_array(t, board, gpu, out, e);
		if (!rc && !out->n)
			rc = fail(e, "no board '%s'", board);
	} else if (!json_object_object_get_ex(t, board, &a) ||
		   !json_object_is_type(a, json_type_array)) {
		rc = fail(e, "no board '%s'", board);
	} else {
		rc = load_array(a, NULL, gpu, out, e);
	}
	return rc ? fail_in(e, "%s", path) : 0;
}

int types_load(json_object *types, const char *board, const struct gpu *gpu,
	       struct type_set *out, struct err *e)
{
	if (json_object_is_type(types, json_type_array))
		return load_array(types, NULL, gpu, out, e);
	if (json_object_is_type(types, json_type_string))
		board = json_object_get_string(types);
	else if (types)
		return fail(e, "neither a board's name nor an array");
	return load_board(board, gpu, out, e);
}
