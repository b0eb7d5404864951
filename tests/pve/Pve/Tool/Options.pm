# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Options;

# Command lines as PVE's programs read them, and how they refuse.

use strict;
use warnings;

use Getopt::Long ();

# refuse(USAGE, TEXT): what the caller did wrong, with the usage behind it
sub refuse {
    my ($usage, $text) = @_;

    die "400 $text\n$usage\n";
}

# refuse_values(USAGE, {KEY => WHY}): values that do not fit their keys
sub refuse_values {
    my ($usage, $errors) = @_;
    my $text = "Parameter verification failed.\n";

    $text .= "$_: " . ($errors->{$_} =~ s/\n*$//r) . "\n" for sort keys %$errors;
    refuse($usage, $text);
    return;
}

my %switch = (1 => 1, on => 1, yes => 1, true => 1, '' => 1, 0 => 0, off => 0, no => 0, false => 0);

# A list can be given in one or in several.
sub _settle {
    my ($usage, $type, $value) = @_;

    if ($type eq 'boolean') {
        refuse($usage, 'unable to parse boolean option') if !defined($switch{ lc($value) });
        return $switch{ lc($value) };
    }
    return $type eq 'list' ? join(',', @$value) : $value;
}

# As pve-common src/PVE/JSONSchema.pm has it, get_options(): in the C locale each byte
# above 127 becomes a U+FFFD.
sub _decode {
    my ($value) = @_;

    return [map { _decode($_) } @$value] if ref($value);
    return $value if $value !~ m/[^\x00-\x7f]/;
    # Nearly no call needs them.
    require Encode;
    require I18N::Langinfo;
    return Encode::decode(I18N::Langinfo::langinfo(I18N::Langinfo::CODESET()), $value);
}

# parse(ARGV, {OPTION => TYPE}, [POSITIONAL…], USAGE): {name => value}
# TYPE is boolean, list, array, or anything else for one value.
sub parse {
    my ($argv, $types, $positional, $usage) = @_;
    my (%values, @getopt);

    for my $name (keys %$types) {
        my $many = $types->{$name} =~ m/^(?:list|array)$/ ? '@' : '';
        push @getopt, $name . ($types->{$name} eq 'boolean' ? ':s' : '=s') . $many;
    }
    Getopt::Long::Configure('prefix_pattern=(--|-)');
    my $well = do {
        # Getopt::Long warns; PVE's programs show that.
        local $SIG{__WARN__} = sub { print STDERR @_ };
        Getopt::Long::GetOptionsFromArray($argv, \%values, @getopt);
    };
    refuse($usage, 'unable to parse option') if !$well;
    for my $name (@$positional) {
        refuse($usage, 'not enough arguments') if !@$argv;
        $values{$name} = shift(@$argv);
    }
    refuse($usage, 'too many arguments') if @$argv;
    $values{$_} = _decode($values{$_}) for keys %values;
    for my $name (grep { $types->{$_} } keys %values) {
        $values{$name} = _settle($usage, $types->{$name}, $values{$name});
    }
    return \%values;
}

# What `delete` and its kind take
sub split_list {
    my ($text) = @_;

    return grep { $_ ne '' } split(/[,;\s]+/, $text // '');
}

1;
