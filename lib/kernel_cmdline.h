/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The kernel's command line. Pure. */
#ifndef KERNEL_CMDLINE_H
#define KERNEL_CMDLINE_H

#include <stdbool.h>

/*
 * Whether a parameter has this among its values, which stand between commas:
 * "noari" of "pci=realloc,noari". Of several a later one of `over`, which may be
 * NULL, takes it back: "on" after "off".
 * Source: Linux Documentation/admin-guide/kernel-parameters.rst
 */
bool kernel_cmdline_says(const char *cmdline, const char *param, const char *value, const char *over);

#endif
