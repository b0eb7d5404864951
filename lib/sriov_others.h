/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who else enables the GPUs' VFs at boot, besides the units that are meant for
 * it: scripts, timetables, rules, and units of the admin's own.
 */
#ifndef SRIOV_OTHERS_H
#define SRIOV_OTHERS_H

#include "pci_tree.h"
#include "root.h"

/*
 * Whether a line of such a file enables VFs of GPUs: it runs NVIDIA's
 * sriov-manage, or it sets sriov_numvfs and names one of these GPUs, or NVIDIA's
 * vendor id as udev's rules do. A network card's VFs are set the same way. Pure.
 */
bool sriov_others_line(const char *line, const struct bdf_list *gpus);

/* Append the files that have such a line, "/etc/rc.local". */
void sriov_others(const struct root *r, const struct bdf_list *gpus, struct strlist *out);

#endif
