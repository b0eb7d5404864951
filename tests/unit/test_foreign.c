/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Parents on the mdev bus that are no GPU, from plain files. */
#include <stdio.h>

#include "catalog.h"
#include "foreign.h"
#include "node.h"
#include "scan.h"

/* parent PATH API TYPE…: a parent on the bus, with types of that device_api */
#define BUS \
	"mkdir -p sys/class/mdev_bus sys/bus/pci/devices;" \
	"parent() { p=$1; api=$2; shift 2; n=$(basename $p); ln -s ../../devices/$p sys/class/mdev_bus/$n;" \
	"for t; do d=sys/devices/$p/mdev_supported_types/$t; mkdir -p $d; echo $api > $d/device_api; done; };" \
	"pci() { parent $@; ln -s ../../../devices/$1 sys/bus/pci/devices/$(basename $1); };"

/* "name path driver types…;" of each foreign parent, behind the GPUs. */
static char *found(const char *commands)
{
	struct tree t = tree_make(commands);
	AUTO_CATALOG struct catalog c = { 0 };
	AUTO_INVENTORY struct inventory inv = { 0 };
	AUTO_FOREIGN struct foreign_list l = { 0 };
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	CHECK_NUM(scan_gpus(&t.r, &c, &inv, NULL), 0);
	foreign_read(&t.r, &inv, &l);
	for (size_t i = 0; i < inv.ngpus; i++)
		fprintf(f, "GPU %s;", BDF_STR(&inv.gpus[i].addr));
	for (size_t i = 0; i < l.n; i++) {
		fprintf(f, "%s %s %s", l.p[i].name, l.p[i].path, l.p[i].driver);
		for (size_t k = 0; k < l.p[i].types.n; k++)
			fprintf(f, " %s", l.p[i].types.s[k]);
		fputc(';', f);
	}
	fclose(f);
	tree_free(&t);
	return text;
}

#define CHECK_FOUND(commands, want) do { \
	AUTO_FREE char *got_ = found(commands); \
	CHECK_STR(got_, (want)); \
} while (0)

int main(void)
{
	TEST("foreign: a node without the bus has none") {
		CHECK_FOUND("mkdir sys", "");
	}
	TEST("foreign: parents that are no PCI device, by links and listings") {
		CHECK_FOUND(BUS "parent css0/0.0.0313 vfio-ccw vfio_ccw-io; mkdir -p sys/bus/css/drivers/vfio_ccw;"
			    "ln -s ../../../bus/css/drivers/vfio_ccw sys/devices/css0/0.0.0313/driver;"
			    "parent vfio_ap/matrix vfio-ap vfio_ap-passthrough",
			    "0.0.0313 /sys/devices/css0/0.0.0313 vfio_ccw vfio_ccw-io;"
			    "matrix /sys/devices/vfio_ap/matrix vfio_ap vfio_ap-passthrough;");
	}
	TEST("foreign: a PCI function whose mdevs are none, and one whose are, though not NVIDIA's") {
		CHECK_FOUND(BUS "pci pci0000:00/0000:00:02.0 vfio-pci i915-GVTg_V5_4 i915-GVTg_V5_8;"
			    "pci pci0000:00/0000:00:05.0 vfio-other acme-a acme-b",
			    "GPU 0000:00:02.0;0000:00:05.0 /sys/devices/pci0000:00/0000:00:05.0 acme acme-a acme-b;");
	}
	TEST("foreign: a parent without types, and one that is gone") {
		CHECK_FOUND(BUS "parent virtual/x/empty vfio-pci; ln -s ../../devices/gone sys/class/mdev_bus/gone;"
			    "mkdir -p sys/devices/virtual/x/empty/mdev_supported_types",
			    "empty /sys/devices/virtual/x/empty ;");
	}
	return tap_done();
}
