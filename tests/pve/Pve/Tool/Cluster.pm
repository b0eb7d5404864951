# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Cluster;

# The nodes that a call can reach, and what all of them see in /etc/pve.
#
# This node's name is where /etc/pve/local leads. Other nodes are those with a
# directory below /etc/pve/nodes; ROOT/.pve/nodes can name the root directory
# of one ("there /tmp/there") or say that it is off ("there offline"). Without a
# root directory of its own no VM runs there.

use strict;
use warnings;

use Fcntl qw(O_CREAT O_EXCL O_WRONLY);
use File::Glob qw(:bsd_glob);
use Time::HiRes qw(sleep time);

use Pve::Node;

sub new {
    my ($class, $root) = @_;
    my $link = readlink("$root/etc/pve/local") // 'nodes/here';
    my ($name) = $link =~ m|([^/]+)$|;

    return bless { root => $root, name => $name }, $class;
}

sub name { return $_[0]->{name}; }

# Lines of a file in ROOT/.pve; none where there is no such file
sub settings {
    my ($self, $file) = @_;

    open(my $fh, '<', "$self->{root}/.pve/$file") or return ();
    chomp(my @lines = <$fh>);
    close($fh);
    return @lines;
}

sub nodes {
    my ($self) = @_;
    my %names = ($self->{name} => 1);

    $names{s|.*/||r} = 1 for grep { -d $_ } glob("$self->{root}/etc/pve/nodes/*");
    return sort keys %names;
}

sub _place {
    my ($self, $name) = @_;

    for my $line ($self->settings('nodes')) {
        return $1 if $line =~ m/^\Q$name\E\s+(.+)/;
    }
    return '';
}

sub is_online {
    my ($self, $name) = @_;

    return $self->_place($name) ne 'offline';
}

# The node of that name, as Pve::Node; undef where it has no root directory
sub node {
    my ($self, $name) = @_;
    my $root = $name eq $self->{name} ? $self->{root} : $self->_place($name);

    return undef if $root !~ m|^/| && $name ne $self->{name};
    return Pve::Node->new(root => $root, name => $name);
}

# What a command at that node sees as the cluster
sub at {
    my ($self, $name) = @_;
    my $node = $self->node($name);

    return $self if $name eq $self->{name} || !$node;
    return Pve::Tool::Cluster->new($node->{root});
}

# --- files in /etc/pve ------------------------------------------------------

sub read_file {
    my ($self, $file) = @_;

    open(my $fh, '<', "$self->{root}/etc/pve/$file") or return undef;
    local $/ = undef;
    my $text = <$fh>;
    close($fh);
    return $text // '';
}

# As PVE: into a new file beside it, and that in its place
sub write_file {
    my ($self, $file, $text) = @_;
    my $shown = "/etc/pve/$file.tmp.$$";
    my $path = "$self->{root}$shown";

    unlink($path);
    sysopen(my $fh, $path, O_WRONLY | O_CREAT | O_EXCL, 0644)
        or die "unable to open file '$shown' - $!\n";
    # Wide characters as pve-common src/PVE/Tools.pm has them, file_set_contents()
    if (utf8::is_utf8($text)) {
        my $decoded = $text;
        open(my $bytes, '>', \$text) or die "open a variable: $!\n";
        no warnings 'utf8';
        print $bytes $decoded;
        close($bytes);
    }
    my $written = syswrite($fh, $text);
    die "unable to write '$shown' - $!\n" if !defined($written) || $written != length($text);
    close($fh) or die "closing file '$shown' failed - $!\n";
    return if rename($path, "$self->{root}/etc/pve/$file");
    my $why = $!;
    unlink($path);
    die "close (rename) atomic file '/etc/pve/$file' failed: $why\n";
}

sub _has_quorum {
    my ($self) = @_;
    my $members = $self->read_file('.members') // '';

    return $members !~ m/"quorate":\s*0/;
}

# Makes the directory that is the lock. Asked to unlock, pmxcfs takes it away
# once it has expired.
sub _take_lock {
    my ($self, $id, $seconds) = @_;
    my $dir = "$self->{root}/etc/pve/priv/lock";
    my $end = time() + $seconds;

    mkdir("$self->{root}/etc/pve/priv");
    mkdir($dir);
    die "cfs-lock '$id' error: pve cluster filesystem not online.\n" if !-d $dir;
    until (mkdir("$dir/$id")) {
        if (time() >= $end) {
            my $why = $self->_has_quorum() ? 'got lock request timeout' : 'no quorum!';
            die "cfs-lock '$id' error: $why\n";
        }
        utime(0, 0, "$dir/$id");
        sleep(0.1);
    }
    return "$dir/$id";
}

# with_lock(FILE, CODE): under the cluster-wide lock of that file
sub with_lock {
    my ($self, $file, $code) = @_;
    my $id = 'file-' . ($file =~ s![./]!_!gr);
    my ($seconds) = $self->settings('lock-seconds');
    my $lock = $self->_take_lock($id, $seconds // 10);
    my $done = eval { $code->(); 1 };
    my $why = $@;

    rmdir($lock);
    die $why if !$done;
    return;
}

1;
