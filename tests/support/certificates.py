"""A certificate authority for one test, and the certificates it signs."""

import ipaddress
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from prunella_operator import clock


class Authority:
    """Signs certificates for this machine and writes them as PEM files."""

    def __init__(self, folder, name="authority"):
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.path = self._write(f"{name}.pem", self._signed(self._name, self._key, authority=True))

    def issue(self, name, addresses=("127.0.0.1",)):
        """The paths of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write(f"{name}.pem", self._signed(_named(name), key, addresses)), self._write_key(
            f"{name}.key", key
        )

    def _signed(self, subject, key, addresses=(), *, authority=False):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(clock.now() - timedelta(hours=1))
            .not_valid_after(clock.now() + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if not authority:
            own = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
            names = [x509.DNSName("localhost"), *own]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name, certificate):
        path = self._folder / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def _write_key(self, name, key):
        path = self._folder / name
        plain = serialization.NoEncryption()
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        return path


def _named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
