/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* json-c with less ceremony: a field of the wrong kind is a field that is not there. */
#ifndef JSON_UTIL_H
#define JSON_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

void json_put(struct json_object **o);
#define AUTO_JSON __attribute__((cleanup(json_put)))

/* Parse a whole text; NULL where it is not one JSON value and nothing else. */
struct json_object *json_parse(const char *text, size_t len);

/* Borrowed from o; NULL where it is missing or of another kind. */
const char *json_str(struct json_object *o, const char *key);
struct json_object *json_arr(struct json_object *o, const char *key);
struct json_object *json_obj(struct json_object *o, const char *key);

/* The number, or fallback where it is missing, no number, negative or above max. */
uint64_t json_num(struct json_object *o, const char *key, uint64_t fallback, uint64_t max);
bool json_flag(struct json_object *o, const char *key);

/* value NULL gives null. */
void json_add_str(struct json_object *o, const char *key, const char *value);
void json_add_num(struct json_object *o, const char *key, uint64_t value);
/* 0 gives null: the number is not known. */
void json_add_known(struct json_object *o, const char *key, uint64_t value);
void json_add_flag(struct json_object *o, const char *key, bool value);

/* Printed text with a newline at the end; the caller frees it. */
char *json_print(struct json_object *o);

#endif
