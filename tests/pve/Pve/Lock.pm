# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Lock;

# PVE's locks: flock on a file, waited for with a limit of real seconds. They
# end with the process and are not handed to the programs that it starts.

use strict;
use warnings;

use Fcntl qw(LOCK_EX LOCK_NB);
use Time::HiRes qw(sleep time);

# take(NODE, FILE, SECONDS): the handle that holds it
sub take {
    my ($node, $file, $seconds) = @_;
    my $path = $node->path($file);
    my $end = time() + $seconds;

    open(my $fh, '>>', $path) or die "open lock file '$path': $!\n";
    while (!flock($fh, LOCK_EX | LOCK_NB)) {
        die "lock '$file': not to be had within $seconds s\n" if time() >= $end;
        sleep(0.01);
    }
    return $fh;
}

sub of_vm {
    my ($node, $vmid, $seconds) = @_;
    my $fh = take($node, "/run/lock/qemu-server/lock-$vmid.conf", $seconds // 10);

    $node->trace('locked', $vmid);
    return $fh;
}

# Whether any process waits for a flock that this one holds. The kernel lists
# waiters below the lock that they wait for, marked with an arrow.
sub is_waited_for {
    open(my $fh, '<', '/proc/locks') or die "open '/proc/locks': $!\n";
    my %mine;
    while (my $line = <$fh>) {
        my ($arrow, $pid, $file) =
            $line =~ m/^\d+:\s+(->\s+)?FLOCK\s+ADVISORY\s+\S+\s+(-?\d+)\s+(\S+)/
            or next;
        $mine{$file} = 1 if !$arrow && $pid == $$;
        return 1 if $arrow && $mine{$file};
    }
    return 0;
}

1;
