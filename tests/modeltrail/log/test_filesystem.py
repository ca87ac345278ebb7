"""Which file systems are refused."""

from pathlib import Path, PurePath

import pytest
from modeltrail.errors import ConfigurationError
from modeltrail.log import filesystem
from modeltrail.log.embedded import EmbeddedLog
from modeltrail.log.filesystem import filesystem_type, is_network_type, network_filesystem

MOUNTS = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw - proc proc rw
30 22 0:40 / /home rw,relatime shared:5 master:2 - nfs4 server:/home rw,vers=4.2
31 30 0:41 / /home/ana/scratch rw - xfs /dev/sdb1 rw
32 22 0:42 / /mnt/my\040data rw - cifs //server/share rw
33 22 0:43 / /over rw - nfs server:/a rw
34 22 0:44 / /over rw - tmpfs tmpfs rw
not a line of mountinfo
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/x", "ext4"),
        ("/", "ext4"),
        ("/home/ana/.modeltrail/log.db", "nfs4"),
        ("/home", "nfs4"),
        ("/homes/ana", "ext4"),
        ("/home/ana/scratch/log.db", "xfs"),
        ("/mnt/my data/log.db", "cifs"),
        ("/over/x", "tmpfs"),
    ],
)
def test_the_deepest_and_last_mount_point_says_the_type(path, kind):
    assert filesystem_type(PurePath(path), MOUNTS) == kind


@pytest.mark.parametrize(
    "kind",
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "9p",
        "lustre",
        "ceph",
        "gpfs",
        "fuse.sshfs",
        "fuse.ceph",
        "fuse.s3fs",
        "fuse.rclone",
    ],
)
def test_network_file_systems_are_known(kind):
    assert is_network_type(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs", "fuse.encfs", "fuseblk"])
def test_local_file_systems_are_let_through(kind):
    assert not is_network_type(kind)


def test_where_linux_does_not_say_nothing_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(filesystem, "MOUNTS", tmp_path / "not-there")
    assert network_filesystem(tmp_path) is None


def test_this_folder_is_local(tmp_path):
    assert network_filesystem(tmp_path / "not" / "yet" / "there") is None


def test_a_log_on_a_network_file_system_is_refused_with_the_remedy_and_not_made(monkeypatch, tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"30 22 0:40 / {tmp_path.resolve()} rw - nfs4 server:/home rw\n")
    monkeypatch.setattr(filesystem, "MOUNTS", mounts)
    with pytest.raises(ConfigurationError, match=r"network file system \(nfs4\)") as refused:
        EmbeddedLog(tmp_path / "home" / "log.db")
    assert "MODELTRAIL_HOME" in refused.value.remedy
    assert not Path(tmp_path / "home").exists()
