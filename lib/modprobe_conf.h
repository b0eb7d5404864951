/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module parameters as files of modprobe.d have them: "options <module> <name>=<value> …".
 * Text in, text out.
 * Source: modprobe.d(5); Linux kernel/params.c
 */
#ifndef MODPROBE_CONF_H
#define MODPROBE_CONF_H

/* What a parameter that is a string may hold: kernel/params.c, param_set_charp() */
#define MODPROBE_VALUE_MAX	1024

/*
 * The value of a parameter in a file's text, without quotes around it; of
 * several the last, as it is with the kernel. In names '-' and '_' are one.
 * *line becomes its line, from 1. The caller frees it; NULL: it is not there.
 */
char *modprobe_value(const char *text, const char *module, const char *param, unsigned int *line);

/* The same in a kernel command line: <module>.<param>=<value>. */
char *modprobe_cmdline_value(const char *cmdline, const char *module, const char *param);

#endif
