/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * PVE's format for storage.cfg and mapping/pci.cfg: sections of a header line
 * and indented lines of a key and a value. Text in, struct out; pure.
 *
 *   dir: local
 *           path /var/lib/vz
 *           content iso,snippets
 *
 * As PVE has it: an empty line ends a section, a line of blanks does not; lines
 * whose first character is '#' are none at all; a line without blanks before
 * it, in a section, is passed over, even if it looks like a header.
 * Source: pve-common src/PVE/SectionConfig.pm, parse_config()
 */
#ifndef SECTION_CONFIG_H
#define SECTION_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

enum section_header {
	SECTION_TYPED,		/* "dir: local" */
	SECTION_BARE,		/* "a40" alone (pve-guest-common src/PVE/Mapping/PCI.pm) */
};

struct section_line {
	char *key;
	char *value;		/* "" where there is none */
};

struct section {
	char *type;		/* in lower case; "" with SECTION_BARE */
	char *id;		/* not checked */
	unsigned int line;	/* of the header */
	struct section_line *lines;
	size_t n;
};

struct section_config {
	struct section *sections;	/* in the order of the file */
	size_t n;
};

/*
 * Read text of len bytes. What is neither header nor line of a section is
 * passed over, as PVE does with a warning. file is the name for the message.
 *
 * Returns 0, or -EINVAL for a NUL byte. Release with section_config_free().
 */
int section_config_parse(const char *text, size_t len, enum section_header header,
			 const char *file, struct section_config *out, struct err *e);

/* The section of that id, or NULL. Of several the last one holds, as with PVE. */
const struct section *section_find(const struct section_config *c, const char *id);

/* Whether a later section has the id of this one, which counts for nothing then. */
bool section_is_replaced(const struct section_config *c, const struct section *s);

/* The value of a key, or NULL. Of several the first one holds. */
const char *section_value(const struct section *s, const char *key);

/* A boolean of PVE's: false where it is not said, or is none. */
bool section_bool(const struct section *s, const char *key);

void section_config_free(struct section_config *c);
#define AUTO_SECTION_CONFIG __attribute__((cleanup(section_config_free)))

#endif
