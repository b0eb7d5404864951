/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Small strict readers of single values: the whole string, in range, or -EINVAL. */
#ifndef PARSE_H
#define PARSE_H

#include <stdbool.h>

/* Decimal digits alone, min <= value <= max. *out is set on success only. */
int parse_ulong(const char *text, unsigned long min, unsigned long max, unsigned long *out);

/*
 * A VM's number as PVE has them: 100 to 999999999, no leading zero
 * (pve-common src/PVE/JSONSchema.pm, format pve-vmid).
 */
int parse_vmid(const char *text, unsigned int *out);

/* 36 characters, hex and dashes where they belong, any case. */
bool is_uuid(const char *text);

#endif
