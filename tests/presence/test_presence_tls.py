"""The development certificate."""

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from foundation.settings import Settings
from presence import tls

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_first_run_makes_a_ca_and_a_leaf_for_localhost(tmp_path: Path) -> None:
    made = tls.certificate(Settings(data_dir=tmp_path), NOW)
    assert made.ca == tmp_path / "tls" / "ca.pem"
    leaf = x509.load_pem_x509_certificate(made.chain.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "*.localhost", "eventgw.localhost"} <= set(names.get_values_for_type(x509.DNSName))
    assert {str(one) for one in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(made.ca.read_bytes()))
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(made.chain, made.key)
    assert os.stat(made.key).st_mode & 0o077 == 0
    assert not (tmp_path / "tls" / "ca.key").exists()


def test_it_is_kept_until_it_is_about_to_end(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    first = tls.certificate(settings, NOW).chain.read_bytes()
    assert tls.certificate(settings, NOW + timedelta(days=300)).chain.read_bytes() == first
    assert tls.certificate(settings, NOW + timedelta(days=395)).chain.read_bytes() != first


def test_the_operators_own_certificate_is_used_as_it_is(tmp_path: Path) -> None:
    made = tls.certificate(Settings(data_dir=tmp_path, tls_certificate="/a.pem", tls_key="/b.pem"), NOW)
    assert (str(made.chain), str(made.key), made.ca) == ("/a.pem", "/b.pem", None)
    assert not (tmp_path / "tls").exists()
