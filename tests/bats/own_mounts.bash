# SPDX-License-Identifier: AGPL-3.0-or-later
# own_mounts COMMAND…: run it in a mount namespace of its own. In a chroot whose
# root is no mount point the kernel cannot make the root private; there the
# mounts are as private as whoever made the chroot has made them.
own_mounts() {
	if unshare -m --propagation private true 2>/dev/null; then
		unshare -m --propagation private "$@"
	else
		unshare -m --propagation unchanged "$@"
	fi
}
