"""The address guard: reliability 4.2, M7 and M8."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from foundation.outbound.errors import Fault, Refused
from foundation.outbound.guard import Guard, is_public

NOT_PUBLIC = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16", "::"),
    *(
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "fc00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ),
    *("2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "100::1", "5f00::1"),
]

PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700:4700::1111"),
    *("2a00:1450:4001::1", "2001:4860::1"),
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_m7_no_special_address_is_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses())
def test_m7_whatever_the_standard_library_knows_as_not_global_is_refused(
    address: ipaddress.IPv4Address,
) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_no_ipv6_spelling_of_an_ipv4_address_is_public(address: ipaddress.IPv4Address) -> None:
    for prefix in ("::", "::ffff:", "64:ff9b::"):
        assert not is_public(ipaddress.ip_address(f"{prefix}{address}"))
    six_to_four = int(ipaddress.ip_address("2002::")) | int(address) << 80
    assert not is_public(ipaddress.IPv6Address(six_to_four))


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://app.example/",
            "//app.example/",
            "app.example",
            "javascript:alert(1)",
            "http://",
            "",
            "http:///x",
        ),
        *(
            "http://127.0.0.1\\@evil.test/",
            "http://evil.test\\.good.test/",
            "http://a b.test/",
            "http://a.test/\r\nX: y",
        ),
        *(
            "http://%31%32%37.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
        ),
        *(
            "http://①②⑦.⓪.⓪.①/",
            "http://a..test/",
            "http://a.test./",
            "http://-a.test/",
            "http://" + "a" * 64 + ".test/",
        ),
        *(
            "http://a.test:0/",
            "http://a.test:65536/",
            "http://a.test:25/",
            "http://a.test:6379/",
            "http://a.test:81/",
        ),
        *("http://user@name:pass@a.test/", "http://user%40x:pass@a.test/", "http://[fe80::1%25eth0]/"),
        *("http://[::1", "http://a.test:١/", "http://a.test/" + "x" * 9000),
    ],
)
def test_m8_odd_urls_are_refused_as_invalid(url: str) -> None:
    with pytest.raises(Refused) as caught:
        Guard.of(["0.0.0.0/0", "::/0"]).check_url(url)
    assert caught.value.code == 11100
    assert caught.value.fault is Fault.CUSTOMER


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://[::1]/", "https://169.254.169.254/latest", "http://10.1.1.1:8080"]
)
def test_private_addresses_get_the_same_11205_each(url: str) -> None:
    with pytest.raises(Refused) as caught:
        Guard.of().check_url(url)
    assert (caught.value.code, caught.value.reason) == (11205, "The address of this URL may not be called")
    assert "not a public address" in caught.value.detail


@pytest.mark.parametrize(
    ("allow", "url", "passes"),
    [
        ("10.0.0.0/8", "http://10.2.3.4/", True),
        ("10.0.0.0/8", "http://192.168.0.1/", False),
        ("127.0.0.1", "http://127.0.0.1:5000/", True),
        ("127.0.0.1", "http://127.0.0.2:5000/", False),
        ("::1", "http://[::1]:5000/", True),
        ("127.0.0.0/8", "http://[::ffff:127.0.0.1]/", False),
    ],
)
def test_the_allow_list_opens_exactly_what_it_names(allow: str, url: str, passes: bool) -> None:
    guard = Guard.of([allow])
    if passes:
        assert guard.check_url(url).port
    else:
        with pytest.raises(Refused):
            guard.check_url(url)


def test_an_allowed_host_may_have_a_private_address_and_no_other_host_may() -> None:
    guard, address = Guard.of(["App.Internal"]), ipaddress.ip_address("10.0.0.7")
    guard.check_address(guard.check_url("http://app.internal/"), address)
    with pytest.raises(Refused):
        guard.check_address(guard.check_url("http://x.app.internal/"), address)


@pytest.mark.parametrize("entry", ["10.0.0.0/40", "10.0.0.1/8", "http://x", "a b", "", "127.1"])
def test_a_mistake_in_the_allow_list_is_told_at_start(entry: str) -> None:
    with pytest.raises(ValueError, match="to allow"):
        Guard.of([entry])


def test_our_own_ports_are_refused_even_when_their_network_is_allowed() -> None:
    guard = Guard.of(["127.0.0.0/8"], own=[("127.0.0.1", 5001), ("Router.Example", 443)])
    assert guard.check_url("http://127.0.0.1:5002/").port == 5002
    for url in ("http://127.0.0.1:5001/", "https://router.example/"):
        with pytest.raises(Refused):
            guard.check_url(url)


def test_https_only_refuses_plain_http() -> None:
    with pytest.raises(Refused, match="https"):
        Guard.of(https_only=True).check_url("http://app.example/")


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("https://Example.com/a%2fb?x=%2b1&y", "https://Example.com/a%2fb?x=%2b1&y"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com?x=1#rc=2", "https://example.com/?x=1"),
        ("https://example.com:443/v", "https://example.com/v"),
        ("http://example.com:443/v", "http://example.com:443/v"),
        ("https://user:p%40ss@example.com:8443/v", None),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("http://[2606:4700::1]:8080/", "http://[2606:4700::1]:8080/"),
    ],
)
def test_the_url_is_sent_and_signed_as_configured(text: str, sent: str | None) -> None:
    """Peers 3, row 23: a customer's check compares with the text that was configured."""
    if sent is None:
        with pytest.raises(Refused):  # '@' inside a password is refused
            Guard.of().check_url(text)
    else:
        assert Guard.of().check_url(text).url == sent


def test_credentials_are_taken_out_and_never_shown() -> None:
    checked = Guard.of().check_url("https://user:sec%3Aret@example.com/v")
    assert (checked.username, checked.password) == ("user", "sec:ret")
    assert "sec" not in repr(checked) + checked.url


@given(st.text(alphabet=st.sampled_from("abc01.:/@?#[]%\\ -_é\t"), max_size=30))
def test_any_text_is_refused_or_goes_where_the_connecting_library_says(text: str) -> None:
    try:
        checked = Guard.of(["0.0.0.0/0", "::/0"]).check_url("http://" + text)
    except Refused:
        return
    again = parse_url(checked.url)
    assert (again.host or "").strip("[]") == checked.host
    assert (again.port or 80) == checked.port
    assert checked.target.startswith("/")
