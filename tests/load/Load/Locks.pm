# SPDX-License-Identifier: AGPL-3.0-or-later
package Load::Locks;

# What tests/load/locks.c has written down: waits for locks, and how long they
# were held, in figures.

use strict;
use warnings;

use Crash::File qw(slurp);

# The kinds of locks, by their files' names
my @KINDS = (
    [ 'node lock', qr/^node$/ ], [ 'lock of a GPU', qr/^gpu-/ ], [ 'lock of a VM', qr/^vm-/ ],
    [ "PVE's reservations", qr/^pci-id-reservations\.lock$/ ],
);

sub _kind {
    my ($name) = @_;

    for my $kind (@KINDS) {
        return $kind->[0] if $name =~ $kind->[1];
    }
    return;
}

# { kind => { waited => [ms …], held => …, 'gave-up' => … } }, each in order of size, and how often one process took it at the most
sub read_log {
    my ($path) = @_;
    my (%of, %by);

    for my $line (-e $path ? split(/\n/, slurp($path)) : ()) {
        my ($what, $name, $us, $pid) = $line =~ /^(waited|held|gave-up) (\S+) (\d+) (\d+)$/ or die "locks: '$line'\n";
        my $kind = _kind($name) or next;

        push(@{$of{$kind}{$what}}, $us / 1000);
        $by{$kind}{$pid}++ if $what eq 'waited';
    }
    for my $kind (values(%of)) {
        @$_ = sort { $a <=> $b } @$_ for values(%$kind);
    }
    for my $kind (keys(%by)) {
        ($of{$kind}{most}) = sort { $b <=> $a } values(%{$by{$kind}});
    }
    return \%of;
}

# The value below which that part of them lies
sub part {
    my ($sorted, $part) = @_;

    return @$sorted ? $sorted->[int($part * $#$sorted)] : 0;
}

sub _line {
    my ($name, $kind) = @_;
    my ($waited, $held, $vain) = map { $kind->{$_} // [] } qw(waited held gave-up);

    return "$name: never taken" if !@$waited;
    return sprintf('%s: taken %d times, by one process %d at the most; waited %.1f ms at the longest (99 of 100: %.1f, half: %.1f); held %.1f ms at the longest (half: %.1f); given up %d times',
        $name, scalar(@$waited), $kind->{most}, part($waited, 1), part($waited, 0.99), part($waited, 0.5), part($held, 1), part($held, 0.5), scalar(@$vain));
}

sub lines {
    my ($path) = @_;
    my $of = read_log($path);

    return map { _line($_->[0], $of->{$_->[0]} // {}) } @KINDS;
}

1;
