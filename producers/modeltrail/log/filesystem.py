"""Which file system a path lies on, and whether that one is shared over a network.

SQLite's write-ahead log and ``flock`` need one kernel to see every writer: on a network file system they corrupt or
lose. Only Linux says where a path lies (/proc/self/mountinfo, see proc(5)); elsewhere nothing is refused.
"""

import re
from pathlib import Path, PurePath

MOUNTS = Path("/proc/self/mountinfo")

_NETWORK = re.compile(
    r"9p|afs|acfs|beegfs|ceph|cifs|coda|fhgfs|gfs2?|glusterfs|gpfs|lustre|ncpfs|nfs4?|ocfs2|orangefs|panfs|pvfs2|smb3|smbfs"
    r"|vboxsf|wekafs"
)
_FUSE_NETWORK = re.compile(
    r"fuse\.(?:sshfs|s3fs|gcsfuse|rclone|goofys|geesefs|mount-s3|blobfuse2?|juicefs|ceph|cephfs|ceph-fuse|glusterfs|smbnetfs"
    r"|davfs2?|curlftpfs|moosefs|mfs|lizardfs|seaweedfs|alluxio|hdfs|nfs|dbfs|wekafs)\b.*",
    re.IGNORECASE,
)


def network_filesystem(path: Path) -> str | None:
    """Return the type of the network file system that ``path`` (existing or not) lies on; None for a local one."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    kind = filesystem_type(path.resolve(), mounts)
    return kind if kind is not None and is_network_type(kind) else None


def is_network_type(kind: str) -> bool:
    """Return whether file systems of this type are reached over a network, or by a share of another kernel."""
    return _NETWORK.fullmatch(kind) is not None or _FUSE_NETWORK.fullmatch(kind) is not None


def filesystem_type(path: PurePath, mounts: str) -> str | None:
    """Return the type of the file system ``path`` lies on, by the text of /proc/self/mountinfo. Pure.

    The deepest mount point above the path wins; of two on the same folder, the later, which covers the earlier.
    """
    best, kind = -1, None
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        mount_point = PurePath(_unescape(fields[4]))
        depth = len(mount_point.parts)
        if depth >= best and path.is_relative_to(mount_point):
            best, kind = depth, after.split(" ", 1)[0]
    return kind


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
