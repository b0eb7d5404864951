# SPDX-License-Identifier: AGPL-3.0-or-later
package Bench::Records;

# What the bench has measured: a hash for each job of each tool on each node.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(nodes only parse record values_of @FIGURES);

my @COLUMNS = qw(bed framework gpus vfs types tool job operations driver syscalls processes us rss_kib scaled);
my %WORDS = map { $_ => 1 } qw(bed framework tool job);

our @FIGURES = qw(operations driver syscalls processes us rss_kib);

# parse TEXT: ({machine => …, node => {release => kernel}}, records). A line that is none is a fault: half a file must not become a document.
sub parse {
    my ($text) = @_;

    my (%about, @records);
    my $n = 0;
    for my $line (split(/\n/, $text)) {
        $n++;
        my @fields = split(/\t/, $line, -1);
        if ($fields[0] eq '#machine') {
            $about{machine} = join(', ', @fields[1 .. $#fields]);
            next;
        }
        if ($fields[0] eq '#kernel') {
            $about{kernel}{$fields[1]} = $fields[2];
            next;
        }
        die "line $n: " . scalar(@fields) . " fields, not " . scalar(@COLUMNS) . "\n" if @fields != @COLUMNS;
        my %record;
        @record{@COLUMNS} = @fields;
        for my $column (grep { !$WORDS{$_} } @COLUMNS) {
            die "line $n: $column '$record{$column}' is no number\n" if $record{$column} !~ /^\d+$/;
        }
        push(@records, \%record);
    }
    return (\%about, @records);
}

# only RECORDS, COLUMN => VALUE…: those with all of these
sub only {
    my ($records, %wanted) = @_;

    return grep {
        my $r = $_;
        !grep { $r->{$_} ne $wanted{$_} } keys(%wanted)
    } @$records;
}

# The one with these, or nothing
sub record {
    my ($found) = only(@_);

    return $found;
}

# Different values of a column, numbers in order
sub values_of {
    my ($column, @records) = @_;

    my %seen;
    my @values = grep { !$seen{$_}++ } map { $_->{$column} } @records;
    return $WORDS{$column} ? @values : sort { $a <=> $b } @values;
}

# Different nodes, as {bed, framework, gpus, vfs, types}
sub nodes {
    my (@records) = @_;

    my (%seen, @nodes);
    for my $r (@records) {
        my %node = map { $_ => $r->{$_} } qw(bed framework gpus vfs types);
        push(@nodes, \%node) if !$seen{join(' ', map { $node{$_} } sort(keys(%node)))}++;
    }
    return @nodes;
}

1;
