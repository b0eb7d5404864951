# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Qm;

# `qm`: what a program may sensibly ask of it.

use strict;
use warnings;

use File::Glob qw(:bsd_glob);
use Pve::Tool::Options;
use Pve::Tool::Schema;
use Pve::Tool::Vm;
use Pve::Tool::VmConfig;

sub _vm {
    my ($cluster, $usage, $vmid) = @_;

    Pve::Tool::Options::refuse_values($usage, { vmid => "invalid format - value does not look like a valid VM ID" })
        if $vmid !~ m/^[1-9]\d{2,8}$/;
    return Pve::Tool::Vm->new($cluster, $cluster->name(), $vmid);
}

sub _shown {
    my ($key, $value) = @_;

    return $key eq 'description' ? Pve::Tool::VmConfig::encode_text($value) : $value;
}

sub _set {
    my ($cluster, $usage, @argv) = @_;
    my $types = {
        %{ Pve::Tool::Schema::options() }, delete => 'list', revert => 'list', force => 'boolean',
        skiplock => 'boolean', digest => 'string',
    };
    my $param = Pve::Tool::Options::parse(\@argv, $types, ['vmid'], $usage);

    _vm($cluster, $usage, delete $param->{vmid})->update($usage, $param);
    return;
}

sub _config {
    my ($cluster, $usage, @argv) = @_;
    my $param = Pve::Tool::Options::parse(\@argv, { current => 'boolean', snapshot => 'string' },
        ['vmid'], $usage);
    my $conf = _vm($cluster, $usage, $param->{vmid})->shown($param);

    for my $key (sort grep { $_ ne 'digest' } keys %$conf) {
        print "$key: ", _shown($key, $conf->{$key}), "\n";
    }
    return;
}

sub _pending {
    my ($cluster, $usage, @argv) = @_;
    my $param = Pve::Tool::Options::parse(\@argv, {}, ['vmid'], $usage);

    for my $item (@{ _vm($cluster, $usage, $param->{vmid})->pending() }) {
        my ($key, $now, $next) = @$item{qw(key value pending)};
        next if $key eq 'digest';
        my $word = $item->{delete} ? 'del' : 'cur';
        print "$word $key: ", _shown($key, $now), "\n" if defined($now);
        print "new $key: ", _shown($key, $next), "\n" if defined($next) && !$item->{delete};
    }
    return;
}

sub _status {
    my ($cluster, $usage, @argv) = @_;
    my $param = Pve::Tool::Options::parse(\@argv, { verbose => 'boolean' }, ['vmid'], $usage);
    my $vm = _vm($cluster, $usage, $param->{vmid});

    $vm->load();
    print 'status: ', $vm->running() ? 'running' : 'stopped', "\n";
    return;
}

sub _list {
    my ($cluster, $usage, @argv) = @_;
    my $dir = $cluster->node($cluster->name())->path('/etc/pve/nodes/' . $cluster->name() . '/qemu-server');

    Pve::Tool::Options::parse(\@argv, { full => 'boolean' }, [], $usage);
    my @vmids = sort { $a <=> $b } map { m|/(\d+)\.conf$| ? $1 : () } glob("$dir/*.conf");
    return if !@vmids;
    printf "%10s %-20s %-10s %-10s %12s %-10s\n", qw(VMID NAME STATUS MEM(MB) BOOTDISK(GB) PID);
    for my $vmid (@vmids) {
        my $vm = Pve::Tool::Vm->new($cluster, $cluster->name(), $vmid);
        my $conf = $vm->load();
        my $pid = $vm->running();
        printf "%10s %-20s %-10s %-10s %12.2f %-10s\n", $vmid, $conf->{name} // "VM $vmid",
            $pid ? 'running' : 'stopped', $conf->{memory} // 512, 0, $pid // 0;
    }
    return;
}

my %commands = (
    set => [ \&_set, 'qm set <vmid> [OPTIONS]' ],
    config => [ \&_config, 'qm config <vmid> [OPTIONS]' ],
    pending => [ \&_pending, 'qm pending <vmid>' ],
    status => [ \&_status, 'qm status <vmid> [OPTIONS]' ],
    list => [ \&_list, 'qm list [OPTIONS]' ],
);

sub run {
    my ($cluster, $command, @argv) = @_;

    die "ERROR: no command specified\nUSAGE: qm <COMMAND> [ARGS] [OPTIONS]\n" if !defined($command);
    my $known = $commands{$command}
        or die "ERROR: unknown command 'qm $command'\nUSAGE: qm <COMMAND> [ARGS] [OPTIONS]\n";
    $known->[0]->($cluster, $known->[1], @argv);
    return;
}

1;
