/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The settings of the cluster, /etc/pve/pve-vgpu.conf: text in, struct out.
 *
 *   [defaults]
 *   gpu = 0000:3b:00.0, A40		; GPUs a VM may use, by address or board, in no order
 *   placement = spread			; spread, pack or first
 *   cleanup-wait = 3			; seconds, 0 to 60
 *   start-grace = 300			; seconds, 0 to 3600
 *   lock-wait = 60			; seconds, 1 to 600
 *   inject-uuid = yes			; whether the wrapper gives QEMU a -uuid that it lacks
 *
 *   [vm 100]
 *   hostpci0 = A40-24A, A40-12A	; type names in order of choice
 *   gpu = 0000:3b:00.0
 *   placement = pack
 *   params = frame_rate_limiter=0, disable_vnc=1	; for vgpu_params of each of its vGPUs
 *   mode = native			; native, args or wrapper: how the vGPUs reach QEMU
 *   x-vga = hostpci0			; the vGPU that is the VM's first display; yes: that of the lowest index
 *   pcie = yes				; devices on PCIe ports, which a q35 machine has
 *   display = on			; on, off or auto: QEMU shows the vGPU's screen
 *   ramfb = yes			; and the firmware's before the guest's driver is there
 *   identity = ctime:1690000000	; of the VM that is meant, written by `set`,
 *					; with ", uuid:<uuid>" where it has one
 *   next-hook = local:snippets/own.sh	; hookscript that the VM had before
 *   was-hostpci0 = 0000:01:00.0	; hostpci0 that the VM had before
 *
 * What stands in a [vm] section wins over [defaults]. The lines are INI as inih
 * reads it, minus what inih leaves to chance. Refused, with file and line:
 * indented lines; control characters, but for tabs and a CR at the end of a
 * line; ':' for '='; empty names and values; '#' behind a value (';' with a
 * blank before it begins a comment there); key lines longer than
 * SETTINGS_LINE_MAX; a key or a section that comes twice; a byte order mark
 * anywhere but at the start; every key that is not known.
 *
 * Faults do not stop the reading. Whom they concern:
 *   the VM's own section		this VM does not start; a warning for others
 *   [defaults], before any section	no VM starts
 *   a NUL byte anywhere		no VM starts
 *   a section header that cannot be read (what follows it is passed over up
 *   to the next good header)		VMs with no section of their own do not
 *					start, for it may be theirs; a warning for the rest
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "bdf.h"
#include "conf_line.h"
#include "err.h"
#include "strlist.h"

#define SETTINGS_LINE_MAX	CONF_LINE_MAX
#define SETTINGS_CHOICES_MAX	64
#define SETTINGS_HOSTPCI_MAX	16	/* hostpci0 to hostpci15: qemu-server src/PVE/QemuServer/PCI.pm */

enum placement {
	PLACEMENT_FIRST,	/* the first parent with room; also what holds where nothing is said */
	PLACEMENT_SPREAD,	/* the GPU with the most room left */
	PLACEMENT_PACK,		/* the GPU with the least room that still fits */
};

/* How the vGPUs of a VM reach its QEMU. */
enum vm_mode {
	MODE_UNSET,		/* nothing is said: as the VM's config has it */
	MODE_NATIVE,		/* qemu-server attaches, from hostpci<N> */
	MODE_ARGS,		/* the VM's args do */
	MODE_WRAPPER,		/* the wrapper at /usr/bin/kvm does */
};

/* The property "display" of QEMU's vfio-pci */
enum display {
	DISPLAY_UNSET,
	DISPLAY_ON,
	DISPLAY_OFF,
	DISPLAY_AUTO,
};

#define X_VGA_NONE	(-1)
#define X_VGA_FIRST	(-2)	/* the lowest index of the VM's intents */

struct vm_intent {
	unsigned int index;		/* N of hostpci<N> */
	struct strlist choices;		/* type names as written, in order of choice; never empty */
	unsigned int line;
};

struct vm_settings {
	unsigned int vmid;
	unsigned int line;		/* of the section's header */
	struct vm_intent *intents;	/* by ascending index */
	size_t n_intents;
	struct bdf *gpus;		/* the VM's own, else those of [defaults]; none: any GPU */
	size_t n_gpus;
	struct strlist boards;		/* the same by board, as written; gpus and boards are inherited together */
	enum placement placement;	/* the VM's own, else that of [defaults] */
	bool has_placement;		/* one of the two says it */
	char *params;			/* as the driver takes them, or NULL */
	enum vm_mode mode;
	int x_vga;			/* an index, X_VGA_NONE or X_VGA_FIRST */
	bool pcie;
	enum display display;
	bool ramfb;
	char *identity;			/* "ctime:1690000000, uuid:<uuid>", one of them, or NULL */
	char *next_hook;		/* a volume, or NULL */
	char *was[SETTINGS_HOSTPCI_MAX];	/* by index, or NULL */
	char *fault;			/* first fault of this section, a finished line, or NULL */
};

struct settings {
	unsigned int cleanup_wait_s;
	unsigned int start_grace_s;
	unsigned int lock_wait_s;
	bool inject_uuid;
	struct bdf *gpus;		/* of [defaults] */
	size_t n_gpus;
	struct strlist boards;		/* of [defaults] */
	enum placement placement;	/* of [defaults] */
	bool has_placement;
	struct vm_settings *vms;	/* in the order of the file */
	size_t n_vms;
	char *fault;			/* first fault that stops every VM, or NULL */
	char *lost;			/* first section header that cannot be read, or NULL */
	struct strlist warnings;	/* finished lines that concern everybody */
};

/*
 * Read text of len bytes. Always fills *out, with the built-in values where the
 * text says nothing; len == 0 gives those alone. file is the name for messages
 * ("/etc/pve/pve-vgpu.conf"). Release with settings_free().
 */
void settings_parse(const char *text, size_t len, const char *file, struct settings *out);

/*
 * What holds for one VM. Returns 0 and *out, borrowed from s, or NULL if the
 * VM has no section or its section no hostpci<N>; or -EINVAL with the fault
 * that stops this VM.
 */
int settings_vm(const struct settings *s, unsigned int vmid,
		const struct vm_settings **out, struct err *e);

/* The VM's section, whatever is in it; NULL: there is none. */
const struct vm_settings *settings_section(const struct settings *s, unsigned int vmid);

/* Append what settings_vm() lets pass for this VM; vmid 0 takes every VM's faults. */
void settings_warnings_for(const struct settings *s, unsigned int vmid, struct strlist *out);

/* Whether hostpci<index> of this VM was read without a fault in its line. */
bool settings_has_intent(const struct settings *s, unsigned int vmid, unsigned int index);

/* "first", "spread", "pack" */
const char *placement_name(enum placement p);
/* "native", "args", "wrapper"; NULL for MODE_UNSET */
const char *vm_mode_name(enum vm_mode m);
/* "on", "off", "auto"; NULL for DISPLAY_UNSET */
const char *display_name(enum display d);

/* Whether the vGPU of this index is the VM's first display. */
bool vm_settings_x_vga(const struct vm_settings *vm, unsigned int index);

void settings_free(struct settings *s);

#define AUTO_SETTINGS __attribute__((cleanup(settings_free)))

#endif
