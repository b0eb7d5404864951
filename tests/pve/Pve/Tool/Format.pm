# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Format;

# Values of PVE's formats. Each check dies with what PVE says of a value that
# is not of the format; what PVE's own checks look at no closer is left alone.

use strict;
use warnings;

my $HEX_ID = '[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}';
my $WORD = '[a-zA-Z](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?';
# In lower case alone, unlike the kernel's own reading
my $PCI = '(?:[a-f0-9]{4,}:)?[a-f0-9]{2}:[a-f0-9]{2}(?:\.[a-f0-9])?';
my $PCI_FULL = '[a-f0-9]{4,}:[a-f0-9]{2}:[a-f0-9]{2}(?:\.[a-f0-9])?';
my $BASE64 = '[A-Za-z0-9+\/]+={0,2}';
my $ID = '[a-zA-Z][a-zA-Z0-9\-\_]+';
my $SUB_ID = '0x[0-9a-fA-F]{4}';

# Property strings: name => pattern, or the name of a type. The key without a
# name comes first; `!` marks what has to be there.
my %properties = (
    hostpci => [
        host => "$PCI(;$PCI)*", mapping => $ID, rombar => 'boolean', romfile => '[^,;]+',
        pcie => 'boolean', 'x-vga' => 'boolean', 'legacy-igd' => 'boolean',
        mdev => '[^/\.:]+', 'vendor-id' => $SUB_ID, 'device-id' => $SUB_ID,
        'sub-vendor-id' => $SUB_ID, 'sub-device-id' => $SUB_ID, driver => 'vfio|keep',
    ],
    vga => [
        type => 'cirrus|qxl|qxl2|qxl3|qxl4|none|serial[0-3]|std|virtio|virtio-gl|vmware',
        memory => 'integer', clipboard => 'vnc',
    ],
    machine => [
        type => '(pc|pc(-i440fx)?-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?|q35'
            . '|pc-q35-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?|virt(?:-\d+(\.\d+)+)?(\+pve\d+)?)',
        viommu => 'intel|virtio', 'aw-bits' => 'integer', 'enable-s3' => 'boolean',
        'enable-s4' => 'boolean',
    ],
    smbios => [
        '' => '', uuid => '[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}',
        map({ $_ => $BASE64 } qw(version serial manufacturer product sku family)),
        base64 => 'boolean',
    ],
    map => [
        '' => '', '!node' => $WORD, '!id' => $HEX_ID, 'subsystem-id' => $HEX_ID,
        '!path' => "(?:$PCI_FULL;)*$PCI_FULL", iommugroup => 'integer', description => '.*',
    ],
);

my %boolean = (1 => 1, on => 1, yes => 1, true => 1, 0 => 0, off => 0, no => 0, false => 0);

sub boolean {
    my ($value) = @_;

    return $boolean{ lc($value) } // die "type check ('boolean') failed - got '$value'\n";
}

sub integer {
    my ($value) = @_;

    die "type check ('integer') failed - got '$value'\n" if $value !~ m/^[+-]?\d+$/;
    return int($value);
}

sub number {
    my ($value) = @_;

    die "type check ('number') failed - got '$value'\n" if $value !~ m/^\d+(?:\.\d+)?$/;
    return $value;
}

sub _one {
    my ($pattern, $value) = @_;

    return boolean($value) if $pattern eq 'boolean';
    return integer($value) if $pattern eq 'integer';
    die "value does not match the regex pattern\n" if $value !~ m/^(?:$pattern)$/;
    return $value;
}

# split_properties(TEXT, DEFAULT, KNOWN): {key => value}, in PVE's own words where it is none
sub split_properties {
    my ($text, $default, $known) = @_;
    my %found;

    for my $part (split(/,/, $text)) {
        next if $part =~ m/^\s*$/;
        my ($key, $value) = $part =~ m/^([^=]+)=(.+)$/ ? ($1, $2) : ($default, $part);
        die "missing key in comma-separated list property\n" if $value eq $part && $part =~ m/=/;
        die "value without key, but schema does not define a default key\n" if $key eq '';
        die "duplicate key in comma-separated list property: $key\n" if defined($found{$key});
        die "invalid key in comma-separated list property: $key\n" if !defined($known->{$key});
        $found{$key} = $value;
    }
    return \%found;
}

# properties(FORMAT, TEXT, PATH): {key => value} of a property string
sub properties {
    my ($format, $text, $path) = @_;
    my @list = @{ $properties{$format} };
    my $default = $list[0] =~ s/^!//r;
    my %pattern = @list;
    my @needed = map { m/^!(.*)/ ? $1 : () } keys %pattern;
    my %known = map { s/^!//r => $pattern{$_} } grep { $_ ne '' } keys %pattern;
    my $found = split_properties($text, $default, \%known);
    my %errors = map { $_ => "property is missing and it is not optional\n" }
        grep { !defined($found->{$_}) } @needed;

    for my $key (keys %$found) {
        $errors{$key} = $@ if !eval { $found->{$key} = _one($known{$key}, $found->{$key}); 1 };
    }
    die "format error\n", map { "$path.$_: $errors{$_}" } sort keys %errors if %errors;
    return $found;
}

sub volume_id {
    my ($text) = @_;

    return ($1, $2) if $text =~ m/^([a-z][a-z0-9\-\_\.]*[a-z0-9]):(.+)$/i;
    die "unable to parse volume ID '$text'\n";
}

sub config_id {
    my ($text) = @_;

    die "invalid configuration ID '$text'\n" if $text !~ m/^$ID$/i;
    return $text;
}

1;
