# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Version;

# What a version of qemu-server does around vGPUs. Read from the history of
# qemu-server and pve-common; the version named is the first with the change.

use strict;
use warnings;

my %since = (
    uuid_option       => '7.2-4',   # -uuid on the command line, for NVIDIA
    mdev_bus_path     => '7.2-7',   # sysfsdev by /sys/bus/mdev, not by the parent
    tidy_failed_start => '7.2-7',   # a failed start takes its mdevs away
    migrated_always   => '7.2-9',   # PVE_MIGRATED_FROM is there on every start, empty on most
    smbios_uuid       => '7.4-1',   # -uuid is that of smbios1 where there is one
    driver_time       => '7.4-1',   # the driver gets time to remove an mdev itself
    mapping           => '8.0.4',   # alternatives; a failing one is a warning
    four_times        => '8.0.8',   # a start with hostpci may take four times as long
    driver_poll       => '8.1.0',   # that time ends when the mdev has gone
    patient_cleanup   => '8.1.0',   # qm cleanup waits 60 s for the lock, not 10
    lean_template     => '8.2.2',   # a template is started without its devices
    vendor_vfio       => '8.2.5',   # current_vgpu_type
    checked_write     => '8.2.5',   # a refused write to sysfs is noticed
    lean_hooks        => '8.3.8',   # and then has no hookscript from there on
    dry_showcmd       => '9.0.1',   # qm showcmd makes nothing
    early_volumes     => '9.0.1',   # volumes first, then devices; a failure of either is tidied
    cleanup_flag      => '9.1.13',  # post-stop comes from the clean-up, once
);

# A list of numbers that compares; "7.2-4" and "8.2.5" alike.
sub _numbers {
    my ($text) = @_;

    die "'$text' is no version of qemu-server\n" if $text !~ m/^\d+\.\d+(?:[-.]\d+)*$/;
    return split(/[-.]/, $text);
}

sub _compare {
    my ($left, $right) = @_;
    my @l = _numbers($left);
    my @r = _numbers($right);

    while (@l || @r) {
        my $order = (shift(@l) // 0) <=> (shift(@r) // 0);
        return $order if $order;
    }
    return 0;
}

# new(TEXT): "7.4" alone is the last of that series.
sub new {
    my ($class, $text) = @_;

    $text .= '.999' if $text =~ m/^\d+\.\d+$/ && $text ne '7.1';
    _numbers($text);
    return bless { text => $text }, $class;
}

sub does {
    my ($self, $what) = @_;

    die "no such change: $what\n" if !$since{$what};
    return _compare($self->{text}, $since{$what}) >= 0;
}

1;
