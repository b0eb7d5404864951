/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Changes to the text of the settings that leave alone what they do not
 * concern: comments, order, blank lines, ends of lines, other sections with
 * their faults, byte for byte. Pure.
 */
#ifndef SETTINGS_EDIT_H
#define SETTINGS_EDIT_H

#include <stddef.h>

#include "err.h"
#include "strlist.h"

struct setting {
	const char *key;
	const char *value;	/* NULL: the key goes */
};

/*
 * Change keys of [vm <vmid>]. A key that is there keeps its place and the
 * comment behind it; one that has the value already keeps its line as it is.
 * New keys come behind the last one of the section. A section that is missing is
 * made at the end, with an empty line before it.
 *
 * A key that goes leaves the comment behind it as a line of its own. With the
 * last key the section's header goes, and an empty line before it; comments in
 * the section stay. So what was set where nothing was is gone without a trace when
 * it is unset.
 *
 * Returns 0 and *out, a NUL-terminated text that the caller frees;
 *   -E2BIG: a line would be longer than is read (the message names the key);
 *   -EINVAL: the value cannot stand in a line, or would be no good one there;
 *	or the text has a fault that makes the edit unsafe: a NUL byte, two
 *	sections of this VM, a header that cannot be read while the VM has no
 *	section, or a fault in the VM's section that would outlast a setting.
 */
int settings_edit_vm(const char *text, size_t len, unsigned int vmid,
		     const struct setting *s, size_t n, char **out, struct err *e);

/*
 * Take away all keys of [vm <vmid>], and with them the section, as above. Lines
 * that go are appended to *removed, without the comments behind them; *comments counts
 * the lines of comments that stay. Where there is no such section, nothing goes.
 *
 * Returns as settings_edit_vm(), and -EINVAL for any fault in the section: what
 * cannot be read may be dear to somebody.
 */
int settings_purge_vm(const char *text, size_t len, unsigned int vmid, char **out,
		      struct strlist *removed, size_t *comments, struct err *e);

#endif
