/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * PCI addresses. Text from outside becomes a path only through struct bdf.
 * Written form: domain:bus:device.function, lower case, "0000:3b:00.4".
 */
#ifndef BDF_H
#define BDF_H

#include <stdbool.h>
#include <stdint.h>

struct bdf {
	uint32_t domain;	/* up to 32 bits: VMD and nvidia-smi print more than four digits */
	uint8_t bus, dev, fn;
};

#define BDF_TEXT_LEN	20	/* "ffffffff:ff:1f.7" and its NUL fit */

/*
 * Parse a whole string: "0000:3b:00.4", "3b:00.4" (domain 0), any case.
 * Returns 0, or -EINVAL with *out untouched.
 */
int bdf_parse(const char *text, struct bdf *out);

/* Format into buf and return buf. */
char *bdf_format(const struct bdf *b, char buf[static BDF_TEXT_LEN]);

int bdf_cmp(const struct bdf *a, const struct bdf *b);

static inline bool bdf_eq(const struct bdf *a, const struct bdf *b)
{
	return bdf_cmp(a, b) == 0;
}

/* For messages: the text in a buffer that lives as long as the enclosing block. */
#define BDF_STR(b) bdf_format((b), (char[BDF_TEXT_LEN]){ 0 })

#endif
