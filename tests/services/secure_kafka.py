"""A local Kafka with a second listener that wants TLS and a user: PLAIN, SCRAM-SHA-512 or OAUTHBEARER.

The first listener stays open, for a test to make topics and to look at what arrived.
"""

import base64
import json
import time
from pathlib import Path

from services.certificates import Authority
from services.local_kafka import LocalKafka
from services.server_process import free_ports

USER, PASSWORD = "ana", "s3cret-of-ana"
GUARDED_USERS = ("trainer", "projector", "reader", "describer", "nobody", "operator")
_JAAS = "listener.name.secure.{mechanism}.sasl.jaas.config"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"


class SecureKafka(LocalKafka):
    """A broker whose secure listener knows USER with PASSWORD, and takes any unsigned token."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder.parent / f"{folder.name}-certificates")
        (self._secure_port,) = free_ports(1)
        super().__init__(folder, settings=self._secured)

    @property
    def secure_bootstrap(self) -> str:
        """Return the address of the secure listener as HOST:PORT."""
        return f"127.0.0.1:{self._secure_port}"

    def options(self, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        """Return modeltrail's log options of a client that may come in with a password."""
        return {
            "sasl_mechanism": mechanism,
            "username": USER,
            "password": PASSWORD,
            "ca_file": str(self.authority.ca_file),
        }

    def storage_options(self) -> list[str]:
        """Return what puts the SCRAM user into the cluster's metadata."""
        return ["--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"]

    def _secured(self, plain: dict[str, str]) -> dict[str, str]:
        cert_file, key_file = self.authority.issue("kafka")
        keystore = cert_file.with_name("kafka-keystore.pem")
        keystore.write_bytes(key_file.read_bytes() + cert_file.read_bytes())
        secure = f"SECURE://127.0.0.1:{self._secure_port}"
        return {
            "listeners": f"{plain['listeners']},{secure}",
            "advertised.listeners": f"{plain['advertised.listeners']},{secure}",
            "listener.security.protocol.map": f"{plain['listener.security.protocol.map']},SECURE:SASL_SSL",
            "listener.name.secure.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
            _JAAS.format(mechanism="plain"): f'{_PLAIN} required user_{USER}="{PASSWORD}";',
            _JAAS.format(mechanism="scram-sha-512"): f"{_SCRAM} required;",
            # A broker checks tokens that carry no signature where nothing else is configured: enough for a test.
            _JAAS.format(mechanism="oauthbearer"): f'{_OAUTH} required unsecuredLoginStringClaim_sub="broker";',
            "listener.name.secure.ssl.keystore.type": "PEM",
            "listener.name.secure.ssl.keystore.location": str(keystore),
        }


class GuardedKafka(SecureKafka):
    """A secure broker whose users may do what access control lists grant them, and nothing else.

    Whoever comes through the open listener may do anything.
    """

    def allow(self, topic: str, operation: str) -> None:
        """Let USER do ``operation`` (WRITE, READ, DESCRIBE) on ``topic``."""
        from kafka.admin import (
            ACL,
            ACLOperation,
            ACLPermissionType,
            KafkaAdminClient,
            ResourcePattern,
            ResourceType,
        )

        with KafkaAdminClient(bootstrap_servers=self.bootstrap) as admin:
            pattern = ResourcePattern(ResourceType.TOPIC, topic)
            allowed = ACL(f"User:{USER}", "*", ACLOperation[operation], ACLPermissionType.ALLOW, pattern)
            assert not admin.create_acls([allowed])["failed"]

    def _secured(self, plain: dict[str, str]) -> dict[str, str]:
        users = " ".join(f'user_{user}="{PASSWORD}"' for user in (USER, *GUARDED_USERS))
        return super()._secured(plain) | {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            _JAAS.format(mechanism="plain"): f"{_PLAIN} required {users};",
        }

    def options_of(self, user: str) -> dict[str, str]:
        """Return modeltrail's log options of one of GUARDED_USERS."""
        return self.options("PLAIN") | {"username": user}


def unsigned_token(subject: str, *, lifetime_s: int = 3_600) -> str:
    """Return an unsecured JSON web token (RFC 7519, section 6) for ``subject``."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": subject, "iat": now - 60, "exp": now + lifetime_s})
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join(encoded) + "."
