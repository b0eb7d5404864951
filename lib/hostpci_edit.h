/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A hostpci<N> value of a VM's config with one property changed. Pure. */
#ifndef HOSTPCI_EDIT_H
#define HOSTPCI_EDIT_H

/* The value with mdev=<type>; all else stays byte for byte, and so does a value without mdev=. The caller frees it. */
char *hostpci_with_mdev(const char *value, const char *type);

#endif
