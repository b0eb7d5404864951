/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * PVE's reservations of PCI devices, /run/qemu-server/pci-id-reservations:
 * lines "<bdf> <vmid> time:<epoch>" while a VM starts, "<bdf> <vmid> pid:<pid>"
 * while it runs. qemu-server takes the first VF without one, whoever uses it;
 * so the vendor VFs that we take get a line too.
 * Source: qemu-server src/PVE/QemuServer/PCI.pm, reserve_pci_usage()
 */
#ifndef RESERVATION_H
#define RESERVATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bdf.h"
#include "root.h"

#define RESERVATION_DIR		"run/qemu-server"
#define RESERVATION_NAME	"pci-id-reservations"

struct reservation {
	struct bdf dev;
	unsigned int vmid;
	int64_t time;		/* holds until then (seconds since 1970), 0: see pid */
	pid_t pid;
	char *line;		/* as it stands in the file; lines we cannot read have vmid 0 */
};

struct reservation_list {
	struct reservation *r;
	size_t n;
};

/* Pure. Lines that are no reservation, empty ones too, are kept word for word. */
void reservation_parse(const char *text, struct reservation_list *l);
char *reservation_print(const struct reservation_list *l);
void reservation_list_free(struct reservation_list *l);
#define AUTO_RESERVATIONS __attribute__((cleanup(reservation_list_free)))

/* A file that is missing has none. */
int reservation_read(const struct root *r, struct reservation_list *l, struct err *e);

/*
 * Whether a line holds now: its time is not over, or its process is the VM's
 * QEMU. A line that does not hold is a leftover, for qemu-server too.
 */
bool reservation_holds(const struct root *r, const struct reservation *res);

/*
 * Change the file under PVE's lock: give these devices to vmid until `until`
 * (seconds since 1970), or to its process pid where pid is not 0. Lines of
 * other devices stay as they are. deadline is in clock_ms(); the wait for PVE's
 * lock is 5 s at the most and half a second at the least.
 * Returns 0; -EBUSY: another VM's line holds one of them; -ETIMEDOUT: PVE's
 * lock was not to be had; or -errno.
 */
int reservation_set(const struct root *r, const struct bdf *devs, size_t n, unsigned int vmid,
		    int64_t until, pid_t pid, int64_t deadline, struct err *e);

/* Take the lines of these devices away where they are vmid's. */
int reservation_drop(const struct root *r, const struct bdf *devs, size_t n,
		     unsigned int vmid, int64_t deadline, struct err *e);

#endif
