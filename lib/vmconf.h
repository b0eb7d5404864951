/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A VM's configuration as PVE keeps it: the few keys that concern a vGPU, text
 * in, struct out.
 *
 * Read is what qemu-server takes for the current configuration: all before the
 * first line "[…]". Of a key that comes twice the last one holds; lines that
 * are none, and values that PVE drops with a warning, are passed over. Values
 * are not checked against PVE's schema, but for booleans and hostpci<N>.
 * Source: qemu-server src/PVE/QemuServer.pm, parse_vm_config() and check_type()
 */
#ifndef VMCONF_H
#define VMCONF_H

#include <stdbool.h>
#include <stddef.h>

#include "bdf.h"
#include "err.h"
#include "strlist.h"

#define VMCONF_HOSTPCI_MAX	16
#define VMCONF_NUMA_MAX		8

/*
 * Source: qemu-server src/PVE/QemuServer/PCI.pm, $hostpci_fmt and
 * parse_hostpci(); pve-common src/PVE/JSONSchema.pm, parse_property_string()
 */
struct hostpci {
	bool present;
	bool bad;		/* qemu-server refuses it: only raw is set */
	char *raw;		/* the value as written, without the blanks around it */
	char *mapping;		/* or NULL; either this or hosts is set */
	struct strlist hosts;	/* "host", split at ';', as written; a text may name a whole device ("01:00") */
	bool has_addr;		/* there is one host and it names a function: addr */
	struct bdf addr;
	char *mdev;		/* "nvidia-558", or NULL */
	bool pcie;
	bool x_vga;
};

struct vmconf {
	/* NULL where the key is not there; without the blanks around it */
	char *name;
	char *machine;
	char *bios;
	char *smbios1;
	char *vga;
	char *args;		/* byte for byte between the blanks around it */
	char *hookscript;
	char *meta;
	char *affinity;
	char *ostype;
	char *lock;		/* what PVE is doing with the VM ("backup", "migrate") */
	char *cicustom;
	bool cloudinit;		/* there is a drive for cloud-init's data */
	bool numa;
	char *numa_node[VMCONF_NUMA_MAX];	/* numa<N>, "cpus=0-3,hostnodes=0,policy=bind", or NULL */
	bool template;
	struct hostpci hostpci[VMCONF_HOSTPCI_MAX];
};

/*
 * Read text of len bytes. file is the name for the message.
 * Returns 0, or -EINVAL for a NUL byte in the text. Release with vmconf_free().
 */
int vmconf_parse(const char *text, size_t len, const char *file,
		 struct vmconf *out, struct err *e);

/*
 * Read one hostpci<N> value. Always fills *out, with bad where qemu-server
 * would refuse it; keys that are not known here pass, for a newer qemu-server
 * may know them. Release with hostpci_free().
 */
void hostpci_parse(const char *value, struct hostpci *out);

/*
 * The value of key in a property string ("uuid=…,serial=…"), for smbios1, vga,
 * meta and machine. Returns what the caller frees, or NULL if it is not there.
 * default_key is the key whose name may be left out, or NULL.
 */
char *vmconf_property(const char *text, const char *key, const char *default_key);

/*
 * The host's NUMA nodes that the VM's memory is bound to, "0,2-3": hostnodes of
 * all its numa<N>. They count where numa is on, as qemu-server has it. Returns
 * what the caller frees, or NULL where there are none.
 * Source: qemu-server src/PVE/QemuServer/Memory.pm, $numa_fmt and config()
 */
char *vmconf_hostnodes(const struct vmconf *c);

/* Whether the machine is a q35, which has the PCIe ports. */
bool vmconf_is_q35(const struct vmconf *c);

void hostpci_free(struct hostpci *h);
void vmconf_free(struct vmconf *c);

#define AUTO_VMCONF __attribute__((cleanup(vmconf_free)))

#endif
