# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Reservation;

# PVE's list of PCI devices in use: for a while before there is a process, then
# for as long as that process runs.

use strict;
use warnings;

use Pve::Lock;
use Pve::Qemu;

my $FILE = '/run/qemu-server/pci-id-reservations';
my $ID = qr/[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/i;

sub _read {
    my ($node) = @_;
    my %list;

    for my $line ($node->lines($FILE)) {
        $list{$1} = { vmid => $2, $3 => $4 } if $line =~ m/^($ID)\s(\d+)\s(time|pid):(\d+)$/;
    }
    return \%list;
}

sub _write {
    my ($node, $list) = @_;
    my $text = '';

    for my $id (sort keys %$list) {
        my $r = $list->{$id};
        my $until = defined($r->{pid}) ? "pid:$r->{pid}" : "time:$r->{time}";
        $text .= "$id $r->{vmid} $until\n";
    }
    $node->write_file($FILE, $text);
    return;
}

# Another VM's line stands in the way while it holds.
sub _check_other {
    my ($node, $id, $r) = @_;

    die "PCI device '$id' is reserved for vm $r->{vmid}\n" if ($r->{time} // 0) > time();
    return if !$r->{pid};
    my $pid = Pve::Qemu::running($node, $r->{vmid});
    die "PCI device '$id' is in use by vm $r->{vmid}\n" if $pid && $pid == $r->{pid};
    warn "PCI device '$id': taking over a reservation of vm $r->{vmid}, which does not run\n";
    return;
}

# True where the VM's own line stays as it is. The longer time counts.
sub _check_own {
    my ($node, $id, $r, $seconds, $pid) = @_;

    if ($r->{time}) {
        my $left = $r->{time} - 5 - time();
        $$seconds = $left if defined($$seconds) && $left > $$seconds;
        return 0;
    }
    my $running = Pve::Qemu::running($node, $r->{vmid});
    return 0 if !$running || $running != $r->{pid};
    die "PCI device '$id' is in use by vm $r->{vmid} itself\n" if defined($pid);
    return defined($$seconds);
}

# reserve(NODE, IDS, VMID, SECONDS, PID): all or none
sub reserve {
    my ($node, $ids, $vmid, $seconds, $pid) = @_;

    return if !@$ids;
    my $lock = Pve::Lock::take($node, "$FILE.lock", 5);
    my $list = _read($node);
    for my $id (@$ids) {
        my $r = $list->{$id};
        if ($r && $r->{vmid} != $vmid) {
            _check_other($node, $id, $r);
        } elsif ($r && $node->{version}->does('mapping')) {
            return if _check_own($node, $id, $r, \$seconds, $pid);
        }
        $list->{$id} = { vmid => $vmid };
        if (defined($pid)) {
            $list->{$id}->{pid} = $pid;
        } else {
            $list->{$id}->{time} = time() + int($seconds) + 5;
        }
    }
    _write($node, $list);
    $node->trace('reserved', $vmid, @$ids);
    return;
}

# drop(NODE, VMID, IDS): these, or all of the VM's
sub drop {
    my ($node, $vmid, $ids) = @_;
    my $lock = Pve::Lock::take($node, "$FILE.lock", 2);
    my $list = _read($node);

    for my $id (keys %$list) {
        next if $list->{$id}->{vmid} != $vmid;
        next if $ids && !grep { $_ eq $id } @$ids;
        delete $list->{$id};
    }
    _write($node, $list);
    return;
}

sub of_vm {
    my ($node, $vmid) = @_;
    my $list = _read($node);

    return grep { $list->{$_}->{vmid} == $vmid } sort keys %$list;
}

1;
