# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Pvesm;

# `pvesm`: what a program may sensibly ask of it.

use strict;
use warnings;

use Pve::Tool::Options;
use Pve::Tool::Storage;

sub _longest {
    my ($key, $list) = @_;
    my $longest = 0;

    for my $item (@$list) {
        $longest = length($item->{$key}) if length($item->{$key}) > $longest;
    }
    return $longest;
}

sub _status_line {
    my ($width, $s) = @_;
    my $state = !$s->{enabled} ? 'disabled' : $s->{active} ? 'active' : 'inactive';
    my $share = $s->{total} ? $s->{used} * 100 / $s->{total} : 0;

    return sprintf("%-${width}s %10s %10s %15d %15d %15d %s\n", $s->{storage}, $s->{type}, $state,
        $s->{total} / 1024, $s->{used} / 1024, $s->{avail} / 1024,
        $s->{enabled} ? sprintf('% 7.2f%%', $share) : sprintf('% 8s', 'N/A'));
}

sub _status {
    my ($cluster, $usage, @argv) = @_;
    my $param = Pve::Tool::Options::parse(\@argv,
        { content => 'list', storage => 'string', enabled => 'boolean', target => 'string', format => 'boolean' },
        [], $usage);
    my @list = grep { !defined($param->{storage}) || $_->{storage} eq $param->{storage} }
        @{ Pve::Tool::Storage->new($cluster)->status($param->{content}) };
    my $width = _longest('storage', \@list) + 1;

    @list = grep { $_->{enabled} } @list if $param->{enabled};
    printf "%-${width}s %10s %10s %15s %15s %15s %8s\n", 'Name', 'Type', 'Status', 'Total (KiB)',
        'Used (KiB)', 'Available (KiB)', '%';
    print _status_line($width, $_) for @list;
    return;
}

sub _path {
    my ($cluster, $usage, @argv) = @_;
    my $param = Pve::Tool::Options::parse(\@argv, {}, ['volume'], $usage);
    my ($path) = Pve::Tool::Storage->new($cluster)->volume_path($param->{volume});

    print "$path\n";
    return;
}

sub _set {
    my ($cluster, $usage, @argv) = @_;
    my $param = Pve::Tool::Options::parse(\@argv, Pve::Tool::Storage::options(), ['storage'], $usage);

    Pve::Tool::Storage->new($cluster)->set(delete $param->{storage}, $param);
    return;
}

sub _list {
    my ($cluster, $usage, @argv) = @_;
    my $param = Pve::Tool::Options::parse(\@argv, { content => 'string', vmid => 'string' }, ['storage'], $usage);
    my $storage = Pve::Tool::Storage->new($cluster);

    die "storage '$param->{storage}' is disabled\n" if !$storage->is_enabled($storage->one($param->{storage}));
    my $list = $storage->volumes($param->{storage}, $param->{content});
    my ($name, $size) = (_longest('volid', $list), _longest('size', $list));
    printf "%-${name}s %-7s %-9s %${size}s %s\n", qw(Volid Format Type Size VMID);
    for my $volume (@$list) {
        printf "%-${name}s %-7s %-9s %${size}s\n", @$volume{qw(volid format content size)};
    }
    return;
}

my %commands = (
    status => [ \&_status, 'pvesm status [OPTIONS]' ],
    path => [ \&_path, 'pvesm path <volume>' ],
    set => [ \&_set, 'pvesm set <storage> [OPTIONS]' ],
    list => [ \&_list, 'pvesm list <storage> [OPTIONS]' ],
);

sub run {
    my ($cluster, $command, @argv) = @_;

    die "ERROR: no command specified\nUSAGE: pvesm <COMMAND> [ARGS] [OPTIONS]\n" if !defined($command);
    my $known = $commands{$command}
        or die "ERROR: unknown command 'pvesm $command'\nUSAGE: pvesm <COMMAND> [ARGS] [OPTIONS]\n";
    $known->[0]->($cluster, $known->[1], @argv);
    return;
}

1;
