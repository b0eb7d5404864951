# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Sections;

# Files like storage.cfg and mapping/pci.cfg: sections, each with a header and
# one setting a line behind a tab.

use strict;
use warnings;

use Digest::SHA ();

# parse(TEXT): {order => [header…], of => {header => {key => value or [value…]}}, digest}
# HEADER is the whole first line. Keys in LISTS may come again.
sub parse {
    my ($text, @lists) = @_;
    my %list = map { $_ => 1 } @lists;
    my %sections = (order => [], of => {}, digest => Digest::SHA::sha1_hex($text // ''));
    my $section;

    for my $line (grep { !m/^\s*#/ } split(/\n/, $text // '')) {
        if ($line eq '') {
            $section = undef;
        } elsif ($line =~ m/^\s+(\S+)(?:\s+(.*\S))?\s*$/) {
            next if !$section;
            if ($list{$1}) {
                push @{ $section->{$1} }, $2;
            } else {
                $section->{$1} = $2 // 1;
            }
        } elsif ($line =~ m/^(\S.*?)\s*$/) {
            push @{ $sections{order} }, $1;
            $section = $sections{of}->{$1} = {};
        }
    }
    return \%sections;
}

# print_sections(SECTIONS, FIRST…): keys that must be there come first, then the
# others, both in the order of their names; a comment and `disable` before all.
sub print_sections {
    my ($sections, @first) = @_;
    my $text = '';

    for my $header (@{ $sections->{order} }) {
        my %left = %{ $sections->{of}->{$header} };
        my @keys = grep { exists $left{$_} } 'comment', 'disable', sort @first;
        my %early = map { $_ => 1 } @keys;
        $text .= "$header\n";
        for my $key (@keys, sort grep { !$early{$_} } keys %left) {
            my $value = $left{$key};
            if ($key eq 'disable') {
                $text .= "\tdisable\n" if $value;
                next;
            }
            $text .= "\t$key $_\n" for ref($value) ? @$value : ($value);
        }
        $text .= "\n";
    }
    return $text;
}

sub remove {
    my ($sections, $header) = @_;

    delete $sections->{of}->{$header};
    $sections->{order} = [ grep { $_ ne $header } @{ $sections->{order} } ];
    return;
}

1;
