# SPDX-License-Identifier: AGPL-3.0-or-later
package Bench::Document;

# docs/benchmarks.md of records: pure, but for the text that stands in document.md.in.

use strict;
use warnings;

use Exporter qw(import);

use Bench::Records qw(only record);
use Bench::Verdict qw(ahead reason_text reasons);

our @EXPORT_OK = qw(better growth number over tables wrapper);

my @TOOLS = qw(ours mdevctl shell perl);
my %NAME = (ours => '**pve-vgpu**', mdevctl => 'mdevctl', shell => 'shell loop', perl => 'Perl loop');
my @JOBS = qw(types types_first list create create_first remove start stop);
my %JOB = (types_first => 'types, the first time', create_first => 'create, the first time');
my %FIGURE = (operations => 'operations', driver => 'operations on the driver', syscalls => 'system calls', processes => 'processes', us => 'time', rss_kib => 'peak memory');

# table HEAD, ROW…: arrays of cells, as Markdown
sub table {
    my ($head, @rows) = @_;

    return join('', map { '| ' . join(' | ', @$_) . " |\n" } $head, [map { '---' } @$head], @rows);
}

sub over {
    my ($a, $b) = @_;

    return '–' if !$b;
    my $over = $a / $b;
    return sprintf($over < 10 ? '%.1f' : '%.0f', $over);
}

# 1234567 with its thousands apart; ~ before what was not counted but multiplied
sub number {
    my ($n, $scaled) = @_;

    1 while $n =~ s/^(\d+)(\d{3})/$1 $2/;
    return ($scaled && $scaled > 1 ? '~' : '') . $n;
}

# A cell with a value for each node, one for all where they are the same
sub _cell {
    my (@values) = @_;

    my %seen = map { $_ => 1 } @values;
    return keys(%seen) == 1 ? $values[0] : join(' / ', @values);
}

# One row of a tool's job: @nodes are lists of the records of a node
sub _row {
    my ($tool, $job, @nodes) = @_;

    my @own = map { record($_, tool => $tool, job => $job) // () } @nodes;
    return if !@own;
    my $of = $job =~ s/_first$//r;
    my @ours = map { record($_, tool => 'ours', job => $of) // () } @nodes;
    my @counts = map {
        my $figure = $_;
        _cell(map { number($_->{$figure}, $figure =~ /^(?:syscalls|processes)$/ ? $_->{scaled} : 1) } @own)
    } qw(operations driver syscalls processes);
    return [
        $JOB{$job} // $job, $NAME{$tool}, @counts,
        _cell(map { over($own[$_]{us}, $ours[$_]{us}) } 0 .. $#own),
        _cell(map { sprintf($_->{us} < 10_000 ? '%.1f' : '%.0f', $_->{us} / 1000) } @own),
        _cell(map { sprintf('%.1f', $_->{rss_kib} / 1024) } @own),
    ];
}

# tables RECORDS, GPUS…: one table of all jobs, with a value for each number of GPUs in its cells
sub tables {
    my ($all, @gpus) = @_;

    my @nodes = map { [only($all, gpus => $_)] } @gpus;
    my @rows;
    for my $job (@JOBS) {
        push(@rows, map { _row($_, $job, @nodes) } @TOOLS);
    }
    return table(['job', 'tool', 'operations', 'on the driver', 'system calls', 'processes', 'time, × pve-vgpu', 'ms, this run', 'peak memory, MiB'], @rows);
}

# growth AXIS, RECORDS: what one more costs, by the first and the last node
sub growth {
    my ($axis, @all) = @_;

    my @rows;
    for my $job (qw(types create start)) {
        for my $tool (@TOOLS) {
            for my $framework (qw(mdev nvidia-vfio)) {
                my @own = sort { $a->{$axis} <=> $b->{$axis} } only(\@all, tool => $tool, job => $job, framework => $framework);
                next if @own < 2;
                my ($first, $last) = @own[0, -1];
                my $by = $last->{$axis} - $first->{$axis};
                my @more = map { my $n = ($last->{$_} - $first->{$_}) / $by; number(sprintf($n == int($n) || $n >= 100 ? '%.0f' : '%.1f', $n)) } qw(operations syscalls processes);
                push(@rows, [$job, $NAME{$tool}, $framework eq 'mdev' ? 'mdev' : 'vendor VFIO', @more, over($last->{us}, $first->{us}),
                    sprintf('%+d', $last->{rss_kib} - $first->{rss_kib})]);
            }
        }
    }
    return table(['job', 'tool', 'framework', 'operations', 'system calls', 'processes', 'time, last × first', 'KiB, last - first'], @rows);
}

# "1 to 3" for the smallest and the largest of some figures
sub _range {
    my ($figure, @values) = @_;

    @values = sort { $a <=> $b } @values;
    my %seen;
    my @ends = grep { !$seen{$_}++ } map { $figure eq 'rss_kib' ? sprintf('%.1f', $_ / 1024) : number($_) } @values[0, -1];
    return join(' to ', @ends) . ($figure eq 'rss_kib' ? ' MiB' : '');
}

# What a figure is on all nodes where the peer is ahead
sub _ahead_text {
    my ($found) = @_;

    my $figure = $found->{figure};
    my @pairs = @{ $found->{nodes} };
    if ($figure eq 'us') {
        my %seen;
        my @by = sort { $a <=> $b } map { $_->[0]{us} / $_->[1]{us} } @pairs;
        return 'time × ' . join(' to ', grep { !$seen{$_}++ } map { sprintf('%.2f', $_) } @by[0, -1]);
    }
    return "$FIGURE{$figure} " . _range($figure, map { $_->[0]{$figure} } @pairs) . ' against ' . _range($figure, map { $_->[1]{$figure} } @pairs);
}

# better RECORDS: where a peer takes less, what, and the numbers of the reasons, which follow; a row for each job of each peer
sub better {
    my (@all) = @_;

    my (%rows, @order);
    for my $found (ahead(@all)) {
        my $key = "$found->{job} $found->{tool} $found->{framework} $found->{bed}";
        push(@order, $key) if !$rows{$key};
        $rows{$key} //= { %$found, texts => [], why => {} };
        push(@{ $rows{$key}{texts} }, _ahead_text($found));
        $rows{$key}{why}{$_} = 1 for reasons(@{$found}{qw(tool job figure)});
    }
    return "Nowhere in this run.\n" if !@order;
    my %place = map { $JOBS[$_] => $_ } 0 .. $#JOBS;
    my @sorted = map { $rows{$_} } sort { $place{ $rows{$a}{job} } <=> $place{ $rows{$b}{job} } || $a cmp $b } @order;
    my %used = map { %{ $_->{why} } } @sorted;
    my @used = sort { $a <=> $b } keys(%used);
    my %shown = map { $used[$_] => $_ + 1 } 0 .. $#used;
    return table(['job', 'peer', 'framework', 'takes less', 'why'], map { _better_row($_, \%shown) } @sorted) . "\n"
        . join('', map { "$shown{$_}. " . reason_text($_) . "\n" } @used);
}

sub _better_row {
    my ($r, $shown) = @_;

    my @why = sort { $a <=> $b } map { $shown->{$_} } keys(%{ $r->{why} });
    my $framework = $r->{framework} eq 'mdev' ? 'mdev' : 'vendor VFIO';
    return [$r->{job}, $NAME{ $r->{tool} }, $framework, join('; ', @{ $r->{texts} }), @why ? join(', ', @why) : 'not known; times vary'];
}

# The wrapper in front of QEMU
sub wrapper {
    my (@all) = @_;

    my @rows;
    my $base = record(\@all, tool => 'bare', job => 'launch') or return '';
    for my $what (['bare', 'a bare exec'], ['wrapper', 'the wrapper, with nothing to do'], ['script', 'a shell script with nothing to do'],
        ['adding', 'the wrapper, adding a vGPU']) {
        my $r = record(\@all, tool => $what->[0], job => 'launch');
        my $till = record(\@all, tool => $what->[0], job => 'till_exec');
        push(@rows, [$what->[1], $till ? $till->{syscalls} : '', $r->{syscalls}, over($r->{us}, $base->{us}), sprintf('%.1f', $r->{us} / 1000),
            sprintf('%.1f', $r->{rss_kib} / 1024)]);
    }
    return table(['', 'system calls, main to exec', 'system calls', 'time, × a bare exec', 'ms, this run', 'peak memory, MiB'], @rows);
}

1;
