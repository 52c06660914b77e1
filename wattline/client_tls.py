"""The TLS of every client of ours: certificates and host names are always checked, and nothing turns that off."""

import ssl
from pathlib import Path
from typing import TypeVar

Context = TypeVar("Context", bound=ssl.SSLContext)


def fit_client(context: Context, ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> Context:
    """Make a fresh context one of a client.

    Args:
        context: Of `ssl.PROTOCOL_TLS_CLIENT`.
        ca_file: Authorities to trust instead of the system's.
        cert_file: Our own certificate, with `key_file` where the key is not in it.
        key_file: Its key.

    Raises:
        OSError: A file cannot be read, or is no certificate (`ssl.SSLError`).
        ValueError: Its content is of no known form.
    """
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        context.load_verify_locations(ca_file)
    else:
        context.load_default_certs()
    if cert_file:
        context.load_cert_chain(cert_file, key_file)
    return context


def client_context(ca_file: Path | None, cert_file: Path | None = None, key_file: Path | None = None) -> ssl.SSLContext:
    """A context for a client; arguments and errors as `fit_client`."""
    return fit_client(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca_file, cert_file, key_file)
