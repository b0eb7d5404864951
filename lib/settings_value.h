/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The values of the settings, one function a kind: text in, value out. Used
 * for the file and for the options of `set` alike. Pure.
 *
 * Each returns NULL, or what is wrong with the value as a line without place
 * ("'gpu': empty item in '…'; write …"), which the caller frees. *out is set
 * only where nothing is wrong, but for lists, to which the good items before
 * the bad one may have been appended. Lists and texts are the caller's.
 */
#ifndef SETTINGS_VALUE_H
#define SETTINGS_VALUE_H

#include "settings.h"

/* 0 and *index; -ENOENT: no "hostpci<digits>" at all; -EINVAL: a number that PVE does not have. */
int value_hostpci_key(const char *name, unsigned int *index);

char *value_choices(unsigned int index, const char *value, struct strlist *choices);
char *value_gpus(const char *value, struct bdf **gpus, size_t *n, struct strlist *boards);
char *value_placement(const char *value, enum placement *out);
/* *out: as the driver takes them */
char *value_params(const char *value, char **out);
char *value_seconds(const char *name, const char *value, unsigned int min, unsigned int max,
		    unsigned int *out);
/* "yes" or "no" */
char *value_yes(const char *name, const char *value, bool *out);
char *value_mode(const char *value, enum vm_mode *out);
char *value_display(const char *value, enum display *out);
/* An index, X_VGA_FIRST or X_VGA_NONE */
char *value_x_vga(const char *value, int *out);
char *value_identity(const char *value, char **out);
char *value_next_hook(const char *value, char **out);

#endif
