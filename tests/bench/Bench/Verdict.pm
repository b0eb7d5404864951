# SPDX-License-Identifier: AGPL-3.0-or-later
package Bench::Verdict;

# Where a peer takes less than pve-vgpu and why, and what pve-vgpu is meant to be.

use strict;
use warnings;

use Exporter qw(import);

use Bench::Records qw(nodes only record @FIGURES);

our @EXPORT_OK = qw(ahead faults reason_text reasons);

# Counts are exact. Times vary from run to run, and so does memory by a page here and there.
my %CLEARLY = (us => 0.75, rss_kib => 0.9);

# "TOOL JOB FIGURE" in which a peer may be ahead, and why: what it does not do, or what would not be worth its price. What can be mended is
# mended, not put here.
my @REASONS = (
    [qr/^(?:mdevctl|perl) (?:create|start) (?:syscalls|us)$/,
        'It is told the parent and the number of the type (the Perl loop, at a start, a list of parents). pve-vgpu is told a name, looks at every GPU for what is '
            . 'taken, and writes down what it is about to make before it makes it, under locks: two starts cannot take one place, and a crash leaves nothing unknown.'],
    [qr/^(?:mdevctl|shell|perl) (?:remove|stop) (?:syscalls|us|driver|operations)$/,
        'It writes to one file and is done. pve-vgpu looks first whether it made that vGPU, and through all processes for one that has it open, for a `remove` under '
            . 'an open vGPU blocks; it takes the lock under which others create, and forgets its record. With vendor VFIO it looks at the VF before it waits for that '
            . 'lock, and again under it.'],
    [qr/^(?:mdevctl|shell) list (?:syscalls|us)$/,
        'It prints what the mdev bus has. pve-vgpu looks at both frameworks, says for each vGPU whose VM it is for and, having looked through all processes, whether one '
            . 'has it open.'],
    [qr/^(?:mdevctl|shell|perl) (?:start|stop) (?:processes|syscalls|us)$/,
        'PVE calls the hook twice around the start of QEMU and twice around its end, and each is a process of its own that reads the settings. The peer is called once; '
            . 'qemu-server, which the Perl loop stands for, is running already.'],
    [qr/^shell \w+ (?:rss_kib|us)$/, 'A shell and its children are smaller than a program with json-c, libuuid, inih and libmd, and start sooner.'],
    [qr/^perl types (?:driver|operations)$/,
        'It reads a list of each VF, which says what else would fit there. pve-vgpu reads the value of each VF, which says what is taken and by which type, and one list '
            . 'of each GPU.'],
);

# reasons TOOL, JOB, FIGURE: their numbers, from 1
sub reasons {
    my ($tool, $job, $figure) = @_;

    return grep { "$tool $job $figure" =~ $REASONS[$_ - 1][0] } 1 .. @REASONS;
}

sub reason_text {
    my ($number) = @_;

    return $REASONS[$number - 1][1];
}

# ahead RECORDS: {tool, job, framework, figure, nodes => [[peer's record, ours]…]} for each figure in which a peer takes less on any node
sub ahead {
    my (@all) = @_;

    my (%found, @order);
    for my $r (grep { $_->{tool} =~ /^(?:mdevctl|shell|perl)$/ } @all) {
        my %node = map { $_ => $r->{$_} } qw(bed framework gpus vfs types job);
        my $ours = record(\@all, %node, tool => 'ours') or next;
        for my $figure (@FIGURES) {
            next if $r->{$figure} >= $ours->{$figure} * ($CLEARLY{$figure} // 1);
            my $key = join(' ', @{$r}{qw(bed framework tool job)}, $figure);
            push(@order, $key) if !$found{$key};
            $found{$key} //= { %{$r}{qw(bed framework tool job)}, figure => $figure };
            push(@{ $found{$key}{nodes} }, [$r, $ours]);
        }
    }
    return map { $found{$_} } @order;
}

# On one node: types against mdevctl's, and create
sub _node_faults {
    my ($quick, $n, @all) = @_;

    my %job = map { $_->{job} => $_ } only(\@all, tool => 'ours');
    my %mdevctl = map { $_->{job} => $_ } only(\@all, tool => 'mdevctl');
    my $at = "$n->{gpus} GPUs with $n->{vfs} VFs and $n->{types} types, $n->{framework}";
    my $wanted = $n->{framework} eq 'mdev' ? $n->{gpus} : $n->{gpus} * ($n->{vfs} + 1);
    my @faults;
    push(@faults, "types takes $job{types}{operations} operations on $at, and is meant to take $wanted") if $job{types}{operations} != $wanted;
    return @faults if !$mdevctl{types};
    my $theirs = $mdevctl{types}{operations};
    for my $which ($n->{types} == 22 ? qw(types types_first) : qw(types)) {
        push(@faults, "$which takes $job{$which}{operations} operations on $at, mdevctl types $theirs: not 50 times fewer")
            if $theirs < 50 * $job{$which}{operations};
    }
    push(@faults, "types on $at: not 20 times faster than mdevctl types") if !$quick && $n->{gpus} >= 8 && $mdevctl{types}{us} < 20 * $job{types}{us};
    push(@faults, "create takes $job{create}{operations} operations on $at, mdevctl start $mdevctl{create}{operations}: more than two above")
        if $job{create}{operations} > $mdevctl{create}{operations} + 2;
    return @faults;
}

# faults QUICK, RECORDS: what is not as it is meant to be
sub faults {
    my ($quick, @all) = @_;

    my @simulated = grep { $_->{bed} eq 'simulated' && $_->{job} !~ /^(?:launch|till_exec)$/ } @all;
    my @faults;
    push(@faults, _node_faults($quick, $_, only(\@simulated, %$_))) for nodes(@simulated);
    for my $framework (qw(mdev nvidia-vfio)) {
        for my $job (qw(create start)) {
            my %counts = map { $_->{operations} => 1 } only(\@simulated, framework => $framework, job => $job, tool => 'ours');
            push(@faults, "$job ($framework) takes " . join(' or ', sort(keys(%counts))) . ' operations, by the size of the node') if keys(%counts) > 1;
        }
    }
    my $till = record(\@all, job => 'till_exec');
    push(@faults, "the wrapper with nothing to do: $till->{syscalls} system calls between main and execve, more than 12") if $till && $till->{syscalls} > 12;
    # Times vary too much for that.
    my %without = map { ("$_->{tool} $_->{job}: $_->{figure}" => 1) } grep { $_->{figure} ne 'us' && !reasons(@{$_}{qw(tool job figure)}) } ahead(@all);
    push(@faults, "$_: less than pve-vgpu's, and no reason is given") for sort(keys(%without));
    return @faults;
}

1;
