/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Checked reading of JSON objects.
 */
#include "json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void out_of_memory(void)
{
	fputs("vgpu-sim: out of memory\n", stderr);
	exit(1);
}

void *must_calloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		out_of_memory();
	return p;
}

char *must_strdup(const char *s)
{
	char *p = strdup(s);

	if (!p)
		out_of_memory();
	return p;
}

char *must_printf(const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	return p;
}

static bool listed(const char *const *keys, const char *key)
{
	for (; *keys; keys++)
		if (!strcmp(*keys, key))
			return true;
	return false;
}

int json_only_keys(json_object *o, const char *const *keys, struct err *e)
{
	json_object_object_foreach(o, key, val) {
		(void)val;
		if (!listed(keys, key))
			return fail(e, "unknown key '%s'", key);
	}
	return 0;
}

int json_int(json_object *o, const char *key, int min, int max, int *out,
	     struct err *e)
{
	json_object *v;
	int64_t n;

	if (!json_object_object_get_ex(o, key, &v))
		return 0;
	n = json_object_get_int64(v);
	if (!json_object_is_type(v, json_type_int) || n < min || n > max)
		return fail(e, "'%s' is not a number from %d to %d: %s", key, min,
			    max, json_object_to_json_string(v));
	*out = (int)n;
	return 0;
}

int json_uint(json_object *o, const char *key, unsigned int max,
	      unsigned int *out, struct err *e)
{
	int n = -1;

	if (json_int(o, key, 0, (int)max, &n, e))
		return -1;
	if (n >= 0)
		*out = (unsigned int)n;
	return 0;
}

int json_flag(json_object *o, const char *key, bool *out, struct err *e)
{
	json_object *v;

	if (!json_object_object_get_ex(o, key, &v))
		return 0;
	if (!json_object_is_type(v, json_type_boolean))
		return fail(e, "'%s' is neither true nor false: %s", key,
			    json_object_to_json_string(v));
	*out = json_object_get_boolean(v);
	return 0;
}

int json_string(json_object *o, const char *key, const char **out,
		struct err *e)
{
	json_object *v;

	if (!json_object_object_get_ex(o, key, &v))
		return 0;
	if (v && !json_object_is_type(v, json_type_string))
		return fail(e, "'%s' is not a string: %s", key,
			    json_object_to_json_string(v));
	*out = v ? json_object_get_string(v) : NULL;
	return 0;
}

int json_child(json_object *o, const char *key, json_type type,
	       json_object **out, struct err *e)
{
	*out = NULL;
	if (!json_object_object_get_ex(o, key, out))
		return 0;
	if (!json_object_is_type(*out, type))
		return fail(e, "'%s' is not an %s", key, json_type_to_name(type));
	return 0;
}

int json_hex(json_object *o, const char *key, unsigned int max,
	     unsigned int *out, struct err *e)
{
	const char *text = NULL;
	unsigned long n;
	char *end;

	if (json_string(o, key, &text, e))
		return -1;
	if (!text)
		return 0;
	errno = 0;
	n = strtoul(text, &end, 16);
	if (errno || !*text || *end || n > max)
		return fail(e, "'%s' is not a hexadecimal number up to %x: '%s'",
			    key, max, text);
	*out = (unsigned int)n;
	return 0;
}
