/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What NVIDIA's plugins take in vgpu_params: "name=value,name=value". The names
 * are the driver's to know; the form is checked here, so that a slip of the pen
 * does not reach it.
 */
#ifndef PARAMS_H
#define PARAMS_H

#include <stdbool.h>

#define PARAMS_FORM	"name=value,name=value"

/*
 * Read a list; blanks around its items go. Names are of letters, digits, '_'
 * and '-', values of what shows but ',' and '='. Returns 0 and *out as the
 * driver takes it, which the caller frees, or -EINVAL.
 */
int params_parse(const char *text, char **out);

/*
 * Whether the driver's list has every item of ours. It may be spaced or ordered
 * in the driver's own way and hold more.
 */
bool params_are_in(const char *params, const char *kept);

#endif
