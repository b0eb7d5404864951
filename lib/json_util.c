/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "json_util.h"

#include <limits.h>
#include <string.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "xalloc.h"

void json_put(struct json_object **o)
{
	if (*o)
		json_object_put(*o);
}

struct json_object *json_parse(const char *text, size_t len)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = NULL;

	if (!tok)
		return NULL;
	/* json-c takes a NUL for the end and would pass over what stands behind it. */
	if (len < INT_MAX && !memchr(text, '\0', len)) {
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
		/* With its NUL, so that a bare number has an end. */
		o = json_tokener_parse_ex(tok, text, (int)len + 1);
		if (o && json_tokener_get_error(tok) != json_tokener_success) {
			json_object_put(o);
			o = NULL;
		}
	}
	json_tokener_free(tok);
	return o;
}

static struct json_object *get(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *value;

	if (!o || !json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

const char *json_str(struct json_object *o, const char *key)
{
	struct json_object *v = get(o, key, json_type_string);

	return v ? json_object_get_string(v) : NULL;
}

struct json_object *json_arr(struct json_object *o, const char *key)
{
	return get(o, key, json_type_array);
}

struct json_object *json_obj(struct json_object *o, const char *key)
{
	return get(o, key, json_type_object);
}

uint64_t json_num(struct json_object *o, const char *key, uint64_t fallback, uint64_t max)
{
	struct json_object *v = get(o, key, json_type_int);
	int64_t n = v ? json_object_get_int64(v) : -1;

	return n < 0 || (uint64_t)n > max ? fallback : (uint64_t)n;
}

bool json_flag(struct json_object *o, const char *key)
{
	struct json_object *v = get(o, key, json_type_boolean);

	return v && json_object_get_boolean(v);
}

void json_add_str(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

void json_add_num(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)value));
}

void json_add_known(struct json_object *o, const char *key, uint64_t value)
{
	if (value)
		json_add_num(o, key, value);
	else
		json_object_object_add(o, key, NULL);
}

void json_add_flag(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

char *json_print(struct json_object *o)
{
	return xasprintf("%s\n", json_object_to_json_string_ext(o,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
}
