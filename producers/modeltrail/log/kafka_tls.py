"""TLS towards the brokers: what is trusted, what is shown, and sockets that are closed when they are refused."""

import ssl

from modeltrail.errors import ConfigurationError

# Reasons of OpenSSL's that mean what they say; a handshake may also end because a broker does.
_LASTING_REASONS = (
    "CERTIFICATE_VERIFY_FAILED",
    "WRONG_VERSION_NUMBER",
    "TLSV1_ALERT_UNKNOWN_CA",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
)


class _Socket(ssl.SSLSocket):
    """Closes itself when the handshake fails, which kafka-python 3.0.12 leaves to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        """Go on with the handshake. Raises ssl.SSLWantReadError and its twin while it is not done."""
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


def tls_context(ca_file: str | None, cert_file: str | None, key_file: str | None) -> ssl.SSLContext:
    """Return what connections are made with: TLS 1.2 or newer, certificates and host names checked.

    Raises ConfigurationError on a file that holds no certificate, or no key of that certificate.
    """
    reading = f"ca_file {ca_file}"
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if cert_file is not None:
            reading = f"cert_file {cert_file}" + (f" with key_file {key_file}" if key_file else "")
            context.load_cert_chain(cert_file, key_file, password=lambda: b"")  # never ask on a terminal
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"{reading} cannot be used: {reason}",
            remedy="name PEM files: certificates, and a key that is theirs and not encrypted",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _Socket
    return context


def tls_fault(error: BaseException) -> str | None:
    """Return what is wrong between our TLS and the broker's, None when that is not why ``error`` came."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return str(cause.verify_message).rstrip(".")
    if isinstance(cause, ssl.SSLError) and cause.reason in _LASTING_REASONS:
        return str(cause.reason).lower().replace("_", " ")
    return None
