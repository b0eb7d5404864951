/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Checked reading of JSON objects: a wrong kind of value or an unknown key
 * is an error that names the key.
 */
#ifndef SIM_JSON_H
#define SIM_JSON_H

#include "err.h"

#include <json-c/json.h>
#include <stdbool.h>

/* Every getter leaves *out alone where the key is absent. 0 or -1. */
int json_only_keys(json_object *o, const char *const *keys, struct err *e);
int json_uint(json_object *o, const char *key, unsigned int max,
	      unsigned int *out, struct err *e);
int json_int(json_object *o, const char *key, int min, int max, int *out,
	     struct err *e);
int json_flag(json_object *o, const char *key, bool *out, struct err *e);

/* Borrowed from the object. JSON null gives NULL. */
int json_string(json_object *o, const char *key, const char **out,
		struct err *e);

/* @type: json_type_array or json_type_object; *out NULL where absent. */
int json_child(json_object *o, const char *key, json_type type,
	       json_object **out, struct err *e);

/* A string of hexadecimal digits, with or without 0x. */
int json_hex(json_object *o, const char *key, unsigned int max,
	     unsigned int *out, struct err *e);

/* Memory that is never given back: the node lives as long as the process. */
void *must_calloc(size_t n, size_t size);
char *must_strdup(const char *s);
char *must_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
