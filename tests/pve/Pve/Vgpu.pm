# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Vgpu;

# Making a VM's vGPUs, and taking them away again.

use strict;
use warnings;

use Pve::Device;
use Pve::Reservation;

sub uuid {
    my ($vmid, $index) = @_;

    return sprintf('%08d-0000-0000-0000-%012d', $index, $vmid);
}

# --- mdev -------------------------------------------------------------------

# True where the mdev is there already and of that type.
sub _adopt {
    my ($node, $parent, $uuid, $type) = @_;

    return 0 if !-d $node->path("$parent/$uuid");
    my $link = readlink($node->path("$parent/$uuid/mdev_type")) // '';
    die "mdev $uuid is there, and not of type '$type'\n" if $link !~ m{(?:^|/)\Q$type\E$};
    warn "mdev $uuid is there already and is used\n";
    $node->trace('adopted', $uuid);
    return 1;
}

sub make_mdev {
    my ($node, $id, $uuid, $type) = @_;
    my $parent = Pve::Device::directory($id);
    my $dir = "$parent/mdev_supported_types/$type";

    die "PCI device '$id' has no type '$type'\n" if !-d $node->path($dir);
    return if _adopt($node, $parent, $uuid, $type);
    my $room = $node->first_line("$dir/available_instances") // 0;
    die "PCI device '$id' has no room for a '$type'\n" if $room < 1;
    die "PCI device '$id' refuses a '$type'\n" if !$node->write_attribute("$dir/create", $uuid);
    $node->trace('made', $uuid, $id, $type);
    return;
}

sub _mdev_is_there {
    my ($node, $uuid) = @_;

    return -e $node->path("/sys/bus/mdev/devices/$uuid");
}

# Some NVIDIA drivers remove an mdev themselves and do not bear another who does.
sub _leave_time {
    my ($node, $uuid) = @_;
    my $seconds = 0;

    if (!$node->{version}->does('driver_poll')) {
        $node->pause($seconds = 10);
    } else {
        return if !_mdev_is_there($node, $uuid);
        while ($seconds < 10 && _mdev_is_there($node, $uuid)) {
            $node->pause(1);
            $seconds++;
        }
    }
    print "gave the driver $seconds s to remove mdev $uuid\n";
    return;
}

sub _clean_mdev {
    my ($node, $vmid, $index, $device) = @_;
    my $uuid = uuid($vmid, $index);
    my $first = $device->{alternatives}->[0]->[0];

    _leave_time($node, $uuid)
        if $node->{version}->does('driver_time') && Pve::Device::is_nvidia($first);
    # The first versions looked below the parent.
    my $at =
        $node->{version}->does('mdev_bus_path')
        ? "/sys/bus/mdev/devices/$uuid"
        : Pve::Device::directory($first->{id}) . "/$uuid";
    return if !-e $node->path($at);
    print "removing mdev $uuid\n";
    $node->trace('removing', $uuid);
    $node->write_attribute("$at/remove", '1');
    return;
}

# --- vendor VFIO ------------------------------------------------------------

sub _current {
    my ($id) = @_;

    return Pve::Device::directory($id) . '/nvidia/current_vgpu_type';
}

sub _is_creatable {
    my ($node, $id, $type) = @_;
    my $file = Pve::Device::directory($id) . '/nvidia/creatable_vgpu_types';

    return scalar grep { m/^\s*\Q$type\E\s*:/ } $node->lines($file);
}

sub set_vf {
    my ($node, $id, $type) = @_;
    my $now = $node->first_line(_current($id)) // die "'$id' is no vendor VF\n";

    if ($now eq $type) {
        $node->trace('adopted', $id);
        return;
    }
    # Whoever has set it: the reservation says that it is ours.
    die "'$id' does not let go of type $now\n"
        if $now ne '0' && !$node->write_attribute(_current($id), '0');
    die "'$id' cannot have type $type now\n" if !_is_creatable($node, $id, $type);
    die "'$id' refuses type $type\n" if !$node->write_attribute(_current($id), $type);
    $node->trace('made', $id, $type);
    return;
}

sub _clean_vf {
    my ($node, $id) = @_;

    return if !-f $node->path(_current($id));
    for (1 .. 10) {
        last if $node->first_line(_current($id)) eq '0';
        $node->pause(1);
        $node->write_attribute(_current($id), '0');
    }
    warn "vendor VF '$id' still holds a vGPU\n" if $node->first_line(_current($id)) ne '0';
    return;
}

# --- a VM's -----------------------------------------------------------------

sub _choose_vf {
    my ($node, $vmid, $device, $used, $dry) = @_;
    my @ids = map { $_->[0]->{id} } @{ $device->{alternatives} };

    # An address is taken as it is; of a mapping, the first that can be had.
    if (@ids == 1) {
        Pve::Reservation::reserve($node, [ $ids[0] ], $vmid, 10) if !$dry;
        set_vf($node, $ids[0], $device->{nvidia}) if !$dry;
        return $ids[0];
    }
    for my $id (grep { !$used->{$_} } @ids) {
        return $id if $dry;
        next if !eval { Pve::Reservation::reserve($node, [$id], $vmid, 10); 1 };
        return $id if eval { set_vf($node, $id, $device->{nvidia}); 1 };
        warn $@;
        Pve::Reservation::drop($node, $vmid, [$id]);
    }
    die "none of the mapping's devices is free\n";
}

# Vendor VFs are chosen and set before the command line is built: it names them.
sub choose {
    my ($node, $vmid, $devices, $dry) = @_;
    my %used;

    for my $index (sort { $a <=> $b } keys %$devices) {
        my $device = $devices->{$index};
        next if !defined($device->{nvidia});
        $device->{vf} = _choose_vf($node, $vmid, $device, \%used, $dry);
        die "'$device->{vf}' twice in one VM\n" if $used{ $device->{vf} }++;
    }
    return;
}

sub _make_first {
    my ($node, $uuid, $device) = @_;

    for my $id (map { $_->[0]->{id} } @{ $device->{alternatives} }) {
        if (!$node->{version}->does('mapping')) {
            make_mdev($node, $id, $uuid, $device->{mdev});
            return $id;
        }
        return $id if eval { make_mdev($node, $id, $uuid, $device->{mdev}); 1 };
        warn $@;
    }
    die "the mdev of type '$device->{mdev}' could not be made\n";
}

# What choose() has left to do. The index of the first vGPU of NVIDIA's, or undef.
sub prepare {
    my ($node, $vmid, $devices) = @_;
    my $first;

    for my $index (sort { $a <=> $b } keys %$devices) {
        my $device = $devices->{$index};
        if (defined($device->{mdev})) {
            $device->{parent} = _make_first($node, uuid($vmid, $index), $device);
        } elsif (!defined($device->{nvidia})) {
            die "hostpci$index: whole devices are not imitated\n";
        }
        $first //= $index if Pve::Device::is_nvidia($device->{alternatives}->[0]->[0]);
    }
    return $first;
}

# After a stop and after a start that failed: all that the VM could have.
sub clean {
    my ($node, $vmid, $conf) = @_;

    $node->trace('clean', $vmid);
    return if $conf->{template} && $node->{version}->does('lean_template');
    if ($node->{version}->does('vendor_vfio')) {
        _clean_vf($node, $_) for Pve::Reservation::of_vm($node, $vmid);
    }
    my $devices = Pve::Device::parse_all($node, $conf);
    for my $index (sort { $a <=> $b } keys %$devices) {
        _clean_mdev($node, $vmid, $index, $devices->{$index})
            if defined($devices->{$index}->{mdev});
    }
    Pve::Reservation::drop($node, $vmid);
    $node->trace('cleaned', $vmid);
    return;
}

1;
