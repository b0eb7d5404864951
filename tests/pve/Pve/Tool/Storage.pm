# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Storage;

# The cluster's storages, and what lies in those of this node.

use strict;
use warnings;

use File::Glob qw(:bsd_glob);

use Pve::Tool::Format;
use Pve::Tool::Options;
use Pve::Tool::Sections;

my $FILE = 'storage.cfg';
my @FILES = qw(images rootdir vztmpl iso backup snippets import);

# What each type can hold, what it holds where nothing is said, and the settings
# that it cannot be without.
my %types = (
    dir => { can => [ @FILES, 'none' ], holds => 'images,rootdir', needs => ['path'], files => 1 },
    nfs => { can => \@FILES, holds => 'images', needs => [qw(export path server)], files => 1, shared => 1 },
    cifs => { can => \@FILES, holds => 'images', needs => [qw(path server share)], files => 1, shared => 1 },
    cephfs => { can => [qw(vztmpl iso backup snippets import)], holds => 'backup', needs => ['path'],
        files => 1, shared => 1 },
    btrfs => { can => [ @FILES, 'none' ], holds => 'images,rootdir', needs => ['path'], files => 1 },
    lvm => { can => [qw(images rootdir)], holds => 'images', needs => ['vgname'] },
    lvmthin => { can => [qw(images rootdir)], holds => 'images,rootdir', needs => [qw(thinpool vgname)] },
    zfspool => { can => [qw(images rootdir)], holds => 'images,rootdir', needs => ['pool'] },
    rbd => { can => [qw(images rootdir)], holds => 'images', needs => ['pool'], shared => 1 },
    pbs => { can => ['backup'], holds => 'backup', needs => [qw(datastore server)], shared => 1 },
);

my %subdir = (
    images => 'images', rootdir => 'private', iso => 'template/iso', vztmpl => 'template/cache',
    backup => 'dump', snippets => 'snippets', import => 'import',
);

my @OPTIONS = qw(bwlimit content content-dirs create-base-path create-subdirs disable format
    is_mountpoint max-protected-backups mkdir nodes options preallocation prune-backups shared);

sub new {
    my ($class, $cluster) = @_;

    return bless { cluster => $cluster }, $class;
}

# {id => {type, content, shared, …}}, as PVE sees them. `local` is always there.
sub all {
    my ($self) = @_;
    my $sections = Pve::Tool::Sections::parse($self->{cluster}->read_file($FILE));
    my %all;

    for my $header (@{ $sections->{order} }) {
        my ($type, $id) = $header =~ m/^(\w+):\s*(\S+)$/ or next;
        my $known = $types{$type} or next;
        my %storage = (content => $known->{holds}, %{ $sections->{of}->{$header} }, type => $type);
        $storage{shared} = 1 if $known->{shared};
        $all{$id} = \%storage;
    }
    $all{local} //= { type => 'dir', content => 'backup,images,iso,rootdir,snippets,vztmpl' };
    $all{local}->{path} //= '/var/lib/vz';
    delete $all{local}->{nodes};
    return \%all;
}

sub one {
    my ($self, $id) = @_;

    return $self->all()->{$id} // die "storage '$id' does not exist\n";
}

sub holds {
    my ($storage, $content) = @_;

    return scalar grep { $_ eq $content } Pve::Tool::Options::split_list($storage->{content});
}

sub is_enabled {
    my ($self, $storage) = @_;
    my @nodes = Pve::Tool::Options::split_list($storage->{nodes});

    return 0 if $storage->{disable};
    return !@nodes || scalar grep { $_ eq $self->{cluster}->name() } @nodes;
}

# --- volumes ----------------------------------------------------------------

# The path below the node's root directory of a path on that node: an absolute
# link there leads from that root, too.
sub _real {
    my ($self, $path) = @_;
    my $root = $self->{cluster}->node($self->{cluster}->name())->path('');

    for (1 .. 8) {
        my $target = readlink("$root$path") // last;
        $path = $target =~ m|^/| ? $target : ($path =~ s|[^/]*$||r) . $target;
    }
    return "$root$path";
}

sub _subdir {
    my ($storage, $content) = @_;
    my %own = map { m/^([^=]+)=(.*)$/ ? ($1, $2) : () }
        Pve::Tool::Options::split_list($storage->{'content-dirs'});

    return ($storage->{path} =~ s|/+$||r) . '/' . ($own{$content} // $subdir{$content}) =~ s|^/||r;
}

# The content that a volume's name is of, and its name in that directory
sub _parse_file_volume {
    my ($name) = @_;

    return ($1, $2) if $name =~ m!^(iso|vztmpl|backup|snippets|import)/([^/]+)$!;
    return ('images', $name) if $name =~ m!^\d+/\S+$!;
    die "unable to parse directory volume name '$name'\n";
}

# volume_path(VOLID): (path on the node, content). Neither that it is there nor
# that the storage is enabled for that content is asked.
sub volume_path {
    my ($self, $volid) = @_;
    my ($id, $name) = Pve::Tool::Format::volume_id($volid);
    my $storage = $self->one($id);

    if (!$types{ $storage->{type} }->{files}) {
        die "unable to parse $storage->{type} volume name '$name'\n" if $name !~ m/^(?:vm|base)-\d+-\S+$/;
        return ("/dev/" . ($storage->{vgname} // $storage->{pool} // $id) . "/$name", 'images');
    }
    my ($content, $file) = _parse_file_volume($name);
    return (_subdir($storage, $content) . "/$file", $content);
}

sub check_hookscript {
    my ($self, $volid) = @_;
    my ($path, $content) = $self->volume_path($volid);

    die "'$volid' is not in the snippets directory\n" if $content ne 'snippets';
    die "script '$volid' does not exist\n" if !-f $self->_real($path);
    die "script '$volid' is not executable\n" if !-x $self->_real($path);
    return;
}

# [{volid, content, format, size}, …] of what lies there in files
sub volumes {
    my ($self, $id, $content) = @_;
    my $storage = $self->one($id);
    my @volumes;

    $self->activate($id, $storage);
    return [] if !$types{ $storage->{type} }->{files};
    for my $what (grep { m/^(?:iso|vztmpl|backup|snippets|import)$/ } Pve::Tool::Options::split_list($storage->{content})) {
        next if defined($content) && $content ne $what;
        for my $path (glob($self->_real(_subdir($storage, $what)) . '/*')) {
            my ($name) = $path =~ m|([^/]+)$|;
            my $format = $what eq 'snippets' ? 'snippet' : $what;
            push @volumes, { volid => "$id:$what/$name", content => $what, format => $format, size => -s $path // 0 };
        }
    }
    return \@volumes;
}

# --- state ------------------------------------------------------------------

# Makes the directories of what the storage holds; false where its path is not there.
sub activate {
    my ($self, $id, $storage) = @_;

    return 1 if !$types{ $storage->{type} }->{files};
    if (!-d $self->_real($storage->{path})) {
        print STDERR "unable to activate storage '$id' - directory '$storage->{path}' does not exist"
            . " or is unreachable\n";
        return 0;
    }
    return 1 if defined($storage->{'create-subdirs'}) && !$storage->{'create-subdirs'};
    for my $content (grep { $subdir{$_} } Pve::Tool::Options::split_list($storage->{content})) {
        require File::Path;
        File::Path::make_path($self->_real(_subdir($storage, $content)));
    }
    return 1;
}

# [{storage, type, content, shared, enabled, active, total, used, avail}, …]
sub status {
    my ($self, $content) = @_;
    my $all = $self->all();
    my @list;

    for my $id (sort keys %$all) {
        my $storage = $all->{$id};
        my $enabled = $self->is_enabled($storage);
        if (defined($content)) {
            next if !$enabled || !grep { holds($storage, $_) } Pve::Tool::Options::split_list($content);
        }
        my $active = $enabled && $self->activate($id, $storage);
        push @list, {
            storage => $id, type => $storage->{type}, content => $storage->{content},
            shared => $storage->{shared} ? 1 : 0, enabled => $enabled ? 1 : 0, active => $active ? 1 : 0,
            used => 0, map({ $_ => $active ? 1 << 30 : 0 } qw(total avail)),
        };
    }
    return \@list;
}

# --- changes ----------------------------------------------------------------

sub options {
    return {
        map({ $_ => 'string' } @OPTIONS), digest => 'string', delete => 'list', content => 'list',
        nodes => 'list', disable => 'boolean', shared => 'boolean', mkdir => 'boolean',
    };
}

# What a storage of that type can hold of it; PVE warns of the rest and drops it.
sub _content {
    my ($type, $text) = @_;
    my %can = map { $_ => 1 } @{ $types{$type}->{can} };
    my %kept;

    for my $content (Pve::Tool::Options::split_list($text)) {
        print STDERR "storage does not support content type '$content'\n" if !$can{$content};
        $kept{$content} = 1 if $can{$content};
    }
    die "unable to combine 'none' with other content types\n" if $kept{none} && keys %kept > 1;
    die "storage does not support content type 'none'\n" if !%kept && !$can{none};
    return join(',', sort keys %kept) || 'none';
}

sub _change {
    my ($self, $id, $param) = @_;
    my $sections = Pve::Tool::Sections::parse($self->{cluster}->read_file($FILE));
    my $digest = delete $param->{digest};
    my @delete = Pve::Tool::Options::split_list(delete $param->{delete});
    my $storage = $self->one($id);
    my ($header) = grep { m/^\w+:\s*\Q$id\E$/ } @{ $sections->{order} };

    die "detected modified configuration - file changed by other user? Try again.\n"
        if $digest && $digest ne $sections->{digest};
    if (!$header) {
        # `local` is there without standing in the file, until it is changed.
        $header = "$storage->{type}: $id";
        unshift @{ $sections->{order} }, $header;
        $sections->{of}->{$header} = { path => $storage->{path}, content => $storage->{content} };
    }
    my $section = $sections->{of}->{$header};
    $param->{content} = _content($storage->{type}, $param->{content}) if defined($param->{content});
    delete @$section{@delete};
    $section->{$_} = $param->{$_} for keys %$param;
    $self->{cluster}->write_file($FILE, Pve::Tool::Sections::print_sections($sections, @{ $types{ $storage->{type} }->{needs} }));
    return;
}

# set(ID, {option => value}): as `pvesm set`
sub set {
    my ($self, $id, $param) = @_;

    die "update storage failed: $@"
        if !eval { $self->{cluster}->with_lock($FILE, sub { $self->_change($id, $param) }); 1 };
    return;
}

sub digest {
    my ($self) = @_;

    return Pve::Tool::Sections::parse($self->{cluster}->read_file($FILE))->{digest};
}

1;
