# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Vm;

# A VM on one node of the cluster, and changes of its config: what `qm set` and
# the API's PUT and POST do.

use strict;
use warnings;

use Fcntl qw(LOCK_EX LOCK_NB);

use Pve::Qemu;
use Pve::Tool::Options;
use Pve::Tool::Schema;
use Pve::Tool::Storage;
use Pve::Tool::VmConfig;

# Taken over by a VM that runs; everything else waits for its next start. What
# PVE plugs into a running guest (disks, networks, memory) is not imitated and waits.
my %at_once = map { $_ => 1 } qw(description hookscript lock migrate_downtime migrate_speed name
    onboot protection shares startup tags vmstatestorage cicustom cipassword citype ciupgrade ciuser
    nameserver searchdomain sshkeys);
my %at_once_if_asked = map { $_ => 1 } qw(cpulimit cpuunits agent);

# new(CLUSTER, NODE, VMID): the VM as that node sees it
sub new {
    my ($class, $cluster, $node, $vmid) = @_;

    return bless { cluster => $cluster->at($node), node => $node, vmid => $vmid }, $class;
}

sub _file {
    my ($self) = @_;

    return "nodes/$self->{node}/qemu-server/$self->{vmid}.conf";
}

sub load {
    my ($self) = @_;
    my $file = $self->_file();
    my $text = $self->{cluster}->read_file($file);

    die "Configuration file '$file' does not exist\n" if !defined($text);
    return Pve::Tool::VmConfig::parse($text);
}

sub _save {
    my ($self, $conf) = @_;

    $self->{cluster}->write_file($self->_file(), Pve::Tool::VmConfig::print_config($conf));
    return;
}

sub running {
    my ($self) = @_;
    my $node = $self->{cluster}->node($self->{node});

    return $node ? Pve::Qemu::running($node, $self->{vmid}) : undef;
}

# A node without a root directory of its own has its locks here, under its name.
sub _lock_path {
    my ($self) = @_;
    my $node = $self->{cluster}->node($self->{node});
    my $dir = ($node // $self->{cluster}->node($self->{cluster}->name()))->path('/run/lock/qemu-server');

    mkdir($dir);
    return "$dir/lock-$self->{vmid}.conf" . ($node ? '' : ".$self->{node}");
}

# Sleeps in flock(2), as PVE: whoever holds the lock can see that it is waited for.
sub _lock {
    my ($self) = @_;
    my $file = "/var/lock/qemu-server/lock-$self->{vmid}.conf";
    my ($seconds) = $self->{cluster}->settings('lock-seconds');

    open(my $fh, '>>', $self->_lock_path()) or die "can't lock file '$file' - can't open file - $!\n";
    return $fh if flock($fh, LOCK_EX | LOCK_NB);
    print STDERR "trying to acquire lock...\n";
    my $locked = eval {
        local $SIG{ALRM} = sub { die "timeout\n" };
        alarm($seconds // 10);
        flock($fh, LOCK_EX) or die "$!\n";
        alarm(0);
        1;
    };
    alarm(0);
    die "can't lock file '$file' - got timeout\n" if !$locked;
    print STDERR " OK\n";
    return $fh;
}

# --- a change ---------------------------------------------------------------

sub _check_names {
    my ($usage, $what, $names, $set, $other) = @_;

    for my $name (@$names) {
        Pve::Tool::Options::refuse_values($usage,
            { $what => "you can't use '-$name' and -$what $name' at the same time" })
            if defined($set->{$name});
        Pve::Tool::Options::refuse_values($usage,
            { $what => "you can't use '-delete $name' and -revert $name' at the same time" })
            if grep { $_ eq $name } @$other;
        Pve::Tool::Options::refuse_values($usage, { $what => "unknown option '$name'" })
            if !Pve::Tool::Schema::can_be_set($name);
    }
    return;
}

sub _check_values {
    my ($self, $usage, $set) = @_;
    my %errors;

    for my $key (keys %$set) {
        $errors{$key} = $@ if !eval { $set->{$key} = Pve::Tool::Schema::check($key, $set->{$key}); 1 };
    }
    Pve::Tool::Options::refuse_values($usage, \%errors) if %errors;
    return if !defined($set->{hookscript});
    my $storage = Pve::Tool::Storage->new($self->{cluster});
    Pve::Tool::Options::refuse_values($usage, { hookscript => $@ })
        if !eval { $storage->check_hookscript($set->{hookscript}); 1 };
    return;
}

# Takes what the caller wants apart: {set, delete, revert, force, digest, skiplock}
sub _wanted {
    my ($param) = @_;
    my %wanted = (set => {%$param});

    for my $name (qw(digest force skiplock)) {
        $wanted{$name} = delete $wanted{set}->{$name};
    }
    for my $name (qw(delete revert)) {
        $wanted{$name} = [ Pve::Tool::Options::split_list(delete $wanted{set}->{$name}) ];
    }
    return \%wanted;
}

sub _load_and_check {
    my ($self, $wanted) = @_;
    my $conf = $self->load();

    die "checksum mismatch (file change by other user?)\n"
        if $wanted->{digest} && $wanted->{digest} ne $conf->{digest};
    die "VM is locked ($conf->{lock})\n" if $conf->{lock} && !$wanted->{skiplock};
    return $conf;
}

# A pending value is reverted by the value that is there, or by its removal.
sub _plan_revert {
    my ($conf, $wanted) = @_;

    for my $key (@{ $wanted->{revert} }) {
        if (defined($conf->{$key})) {
            $wanted->{set}->{$key} = $conf->{$key};
        } elsif (defined($conf->{pending}->{$key})) {
            push @{ $wanted->{delete} }, $key;
        }
    }
    return;
}

# Each removal and each value is written by itself, and the file read again
# before: so does PVE, and whoever looks in between sees it.
sub _write_delete {
    my ($self, $key, $force) = @_;
    my $conf = $self->load();

    if (!defined($conf->{$key}) && !defined($conf->{pending}->{$key})) {
        print STDERR "cannot delete '$key' - not set in current configuration!\n";
        return 0;
    }
    delete $conf->{pending}->{$key};
    if ($key eq 'tags') {
        delete $conf->{$key};
    } else {
        my $keys = Pve::Tool::VmConfig::pending_delete($conf);
        $keys->{$key} = $force ? 1 : 0;
        Pve::Tool::VmConfig::set_pending_delete($conf, $keys);
    }
    $self->_save($conf);
    return 1;
}

sub _unique_tags {
    my ($text) = @_;
    my %seen;

    return join(';', grep { !$seen{$_}++ } sort map { lc } Pve::Tool::Options::split_list($text));
}

sub _write_value {
    my ($self, $key, $value) = @_;
    my $conf = $self->load();

    return if defined($conf->{pending}->{$key}) && $conf->{pending}->{$key} eq $value;
    $conf->{pending}->{$key} = $key eq 'tags' ? _unique_tags($value) : $value;
    my $keys = Pve::Tool::VmConfig::pending_delete($conf);
    delete $keys->{$key};
    Pve::Tool::VmConfig::set_pending_delete($conf, $keys);
    $self->_save($conf);
    return;
}

# Of a VM that does not run all that waits is taken over, whoever has set it.
sub apply_all {
    my ($conf) = @_;

    delete $conf->{$_} for keys %{ Pve::Tool::VmConfig::pending_delete($conf) };
    Pve::Tool::VmConfig::set_pending_delete($conf, {});
    $conf->{$_} = $conf->{pending}->{$_} for keys %{ $conf->{pending} };
    $conf->{pending} = {};
    return;
}

sub apply_running {
    my ($conf, $modified) = @_;
    my $keys = Pve::Tool::VmConfig::pending_delete($conf);

    for my $key (grep { $_ ne 'delete' } keys %{ $conf->{pending} }) {
        next if !$at_once{$key} && !($at_once_if_asked{$key} && $modified->{$key});
        $conf->{$key} = delete $conf->{pending}->{$key};
    }
    for my $key (grep { $modified->{$_} && ($at_once{$_} || $at_once_if_asked{$_}) } keys %$keys) {
        delete $conf->{$key};
        delete $keys->{$key};
    }
    Pve::Tool::VmConfig::set_pending_delete($conf, $keys);
    return;
}

sub _change {
    my ($self, $wanted, @said) = @_;
    my %modified;

    _plan_revert($self->_load_and_check($wanted), $wanted);
    print "update VM $self->{vmid}: @said\n";
    for my $key (@{ $wanted->{delete} }) {
        $modified{$key} = $self->_write_delete($key, $wanted->{force});
    }
    for my $key (sort keys %{ $wanted->{set} }) {
        $modified{$key} = 1;
        $self->_write_value($key, $wanted->{set}->{$key});
    }
    my $conf = $self->load();
    $self->_save($conf) if Pve::Tool::VmConfig::clean_pending($conf);
    return if !%{ $conf->{pending} };
    if ($self->running()) {
        apply_running($conf, \%modified);
    } else {
        apply_all($conf);
    }
    $self->_save($conf);
    return;
}

# What is said of a change: the values as they were given, in the order of their names
sub _said {
    my ($param) = @_;

    return map { ("-$_", $_ eq 'cipassword' ? '<hidden>' : $param->{$_}) }
        grep { $_ ne 'digest' } sort keys %$param;
}

# update(USAGE, {option => value}): what `qm set` does with these options
sub update {
    my ($self, $usage, $param) = @_;
    my $wanted = _wanted($param);

    $self->_check_values($usage, $wanted->{set});
    my @said = _said({ %$param, %{ $wanted->{set} } });
    die "no options specified\n"
        if !%{ $wanted->{set} } && !@{ $wanted->{delete} } && !@{ $wanted->{revert} };
    _check_names($usage, 'revert', $wanted->{revert}, $wanted->{set}, []);
    _check_names($usage, 'delete', $wanted->{delete}, $wanted->{set}, $wanted->{revert});
    $self->_load_and_check($wanted);
    my $lock = $self->_lock();
    $self->_change($wanted, @said);
    close($lock);
    return;
}

# --- what is shown ----------------------------------------------------------

# shown({current, snapshot}): {key => value}, with what waits taken as done
sub shown {
    my ($self, $how) = @_;
    my $conf = $self->load();
    my $shown;

    if (defined($how->{snapshot})) {
        $shown = $conf->{snapshots}->{ $how->{snapshot} }
            or die "snapshot '$how->{snapshot}' does not exist\n";
    } elsif ($how->{current}) {
        $shown = { map { $_ => $conf->{$_} } grep { !ref($conf->{$_}) } keys %$conf };
    } else {
        $shown = Pve::Tool::VmConfig::as_next_started($conf);
    }
    $shown->{cipassword} = '**********' if defined($shown->{cipassword});
    return $shown;
}

# [{key, value, pending, delete}, …]
sub pending {
    my ($self) = @_;
    my $conf = $self->load();
    my $keys = Pve::Tool::VmConfig::pending_delete($conf);
    my %all = map { $_ => 1 } grep { !ref($conf->{$_}) } keys %$conf, keys %{ $conf->{pending} }, keys %$keys;
    my @items;

    delete @all{ 'delete', 'pending', 'special', 'snapshots' };
    for my $key (sort keys %all) {
        my %item = (key => $key);
        $item{value} = $conf->{$key} if defined($conf->{$key});
        $item{pending} = $conf->{pending}->{$key} if defined($conf->{pending}->{$key});
        $item{delete} = 1 + $keys->{$key} if defined($keys->{$key});
        push @items, \%item;
    }
    return \@items;
}

1;
