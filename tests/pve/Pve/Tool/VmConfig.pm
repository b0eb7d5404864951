# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::VmConfig;

# A VM's configuration file, read and printed as PVE does it.
#
# {key => value}, with `description` decoded; and pending, special, snapshots
# (by name) of the same form, digest.

use strict;
use warnings;

use Digest::SHA ();

use Pve::Tool::Schema;

my %aside = map { $_ => 1 } qw(digest pending special snapshots description);

sub encode_text {
    my ($text) = @_;

    $text =~ s/([^\x20-\x24\x26-\x39\x3b-\x7e])/sprintf('%%%02X', ord($1))/ge;
    return $text;
}

sub decode_text {
    my ($text) = @_;

    $text =~ s/%([0-9A-Fa-f]{2})/chr(hex($1))/ge;
    return $text;
}

# Where a header leads: the section that it begins, undef for one that PVE skips
sub _section {
    my ($conf, $name) = @_;

    return $conf->{pending} = {} if lc($name) eq 'pending';
    return $conf->{special}->{ lc($1) } = {} if $name =~ m/^special:(cloudinit|fleecing)$/i;
    return $conf->{snapshots}->{$name} = {} if $name =~ m/^[a-z][a-z0-9_\-]+$/i;
    warn "vm config: skipping unknown section: '$name'\n";
    return undef;
}

sub _setting {
    my ($section, $key, $value, $free) = @_;

    if ($free) {
        $section->{$key} = $value;
        return;
    }
    my $kept = eval { Pve::Tool::Schema::kept($key, $value) };
    if (!defined($kept)) {
        warn "vm config: unable to parse value of '$key' - $@";
        return;
    }
    $section->{ $key eq 'cdrom' ? 'ide2' : $key } = $kept;
    return;
}

# One line of a section, no header
sub _line {
    my ($conf, $section, $line) = @_;
    my $is_pending = $section == $conf->{pending};
    my $free = grep { $section == $_ } values %{ $conf->{special} };

    if ($line =~ m/^#(.*)$/) {
        $section->{description} = ($section->{description} // '') . decode_text($1) . "\n";
    } elsif ($line =~ m/^description:\s*(.*\S)\s*$/) {
        $section->{description} = ($section->{description} // '') . decode_text($1);
    } elsif ($line =~ m/^snapstate:\s*(prepare|delete)\s*$/) {
        $section->{snapstate} = $1;
    } elsif ($line =~ m/^args:\s*(.*\S)\s*$/) {
        $section->{args} = $1;
    } elsif ($line =~ m/^delete:\s*(.*\S)\s*$/) {
        $section->{delete} = $1 if $is_pending;
        warn "vm config: property 'delete' is only allowed in [PENDING]\n" if !$is_pending;
    } elsif ($line =~ m/^([a-z][a-z_\-]*\d*):\s*(.+?)\s*$/) {
        _setting($section, $1, $2, $free);
    } else {
        warn "vm config: unable to parse config: $line\n";
    }
    return;
}

sub _sections {
    my ($conf) = @_;

    return ($conf, $conf->{pending}, values %{ $conf->{special} }, values %{ $conf->{snapshots} });
}

sub parse {
    my ($text) = @_;
    my $conf = { digest => Digest::SHA::sha1_hex($text), pending => {}, special => {}, snapshots => {} };
    my $section = $conf;

    for my $line (split(/\n/, $text)) {
        next if $line =~ m/^\s*$/;
        if ($line =~ m/^\[([^\]]*)\]\s*$/) {
            $section = _section($conf, $1);
        } elsif ($section) {
            _line($conf, $section, $line);
        }
    }
    for my $s (_sections($conf)) {
        $s->{description} =~ s/\s+$// if defined($s->{description});
    }
    delete $conf->{snapstate};
    return $conf;
}

sub _print_section {
    my ($section, $is_pending) = @_;
    my $description = $section->{description};
    my $text = '';

    if (defined($description) && $description ne '') {
        $text .= '#' . encode_text($_) . "\n" for split(/\n/, $description);
    } elsif (defined($description) && $is_pending) {
        $text .= "#\n";
    }
    for my $key (sort grep { !$aside{$_} } keys %$section) {
        $text .= "$key: $section->{$key}\n";
    }
    return $text;
}

sub _has_cloudinit {
    my ($conf) = @_;

    return grep {
        m/^(?:ide|sata|scsi|virtio)\d+$/ && $conf->{$_} =~ m/(?:^|[:\/,=-])cloudinit(?:\.\w+)?(?:,|$)/
    } keys %$conf;
}

# What each write does to the values, whoever had set them
sub _settle {
    my ($section) = @_;

    for my $key (grep { !$aside{$_} && !m/^(?:delete|snapstate)$/ } keys %$section) {
        my $kept = eval { Pve::Tool::Schema::kept($key, $section->{$key}) };
        die "unable to parse value of '$key' - $@" if !defined($kept);
        $section->{$key} = $kept;
    }
    return;
}

sub print_config {
    my ($conf) = @_;

    delete $conf->{snapstate};
    if (defined(my $smp = delete $conf->{smp})) {
        $conf->{sockets} //= $smp;
    }
    _settle($_) for $conf, $conf->{pending}, values %{ $conf->{snapshots} };
    my $text = _print_section($conf);
    $text .= "\n[PENDING]\n" . _print_section($conf->{pending}, 1) if %{ $conf->{pending} };
    for my $name (sort keys %{ $conf->{special} }) {
        next if $name eq 'cloudinit' && !_has_cloudinit($conf);
        $text .= "\n[special:$name]\n" . _print_section($conf->{special}->{$name});
    }
    for my $name (sort keys %{ $conf->{snapshots} }) {
        $text .= "\n[$name]\n" . _print_section($conf->{snapshots}->{$name});
    }
    return $text;
}

# --- what waits for the next start ------------------------------------------

# "a,!b": {a => 0, b => 1}, with 1 for a removal by force
sub pending_delete {
    my ($conf) = @_;
    my %keys;

    for my $entry (grep { $_ ne '' } split(/[,;\s]+/, $conf->{pending}->{delete} // '')) {
        my ($force, $key) = $entry =~ m/^(!?)(.*)$/;
        $keys{$key} = $force ? 1 : 0;
    }
    return \%keys;
}

sub set_pending_delete {
    my ($conf, $keys) = @_;

    delete $conf->{pending}->{delete};
    $conf->{pending}->{delete} = join(',', map { ($keys->{$_} ? '!' : '') . $_ } sort keys %$keys)
        if %$keys;
    return;
}

# Takes out what would change nothing; true where there was such
sub clean_pending {
    my ($conf) = @_;
    my $pending = $conf->{pending};
    my $keys = pending_delete($conf);
    my @same = grep { $_ ne 'delete' && defined($conf->{$_}) && $pending->{$_} eq $conf->{$_} } keys %$pending;
    my @gone = grep { !defined($conf->{$_}) } keys %$keys;

    delete $pending->{$_} for @same;
    delete $keys->{$_} for @gone;
    set_pending_delete($conf, $keys);
    return @same || @gone;
}

# With what waits taken as done: what `qm config` shows
sub as_next_started {
    my ($conf) = @_;
    my %next = map { $_ => $conf->{$_} } grep { !ref($conf->{$_}) } keys %$conf;

    for my $key (grep { $_ ne 'delete' } keys %{ $conf->{pending} }) {
        $next{$key} = $conf->{pending}->{$key};
    }
    delete $next{$_} for keys %{ pending_delete($conf) };
    return \%next;
}

1;
