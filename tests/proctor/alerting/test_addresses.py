"""Where a webhook may point: the forms that trick a naive check are refused (TRUST D13, B36)."""

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.alerting.addresses import (
    Allowed,
    checked_addresses,
    is_public,
    may_connect,
    parse_destination,
)
from proctor.domain.errors import InvalidInput
from tests.proctor.alerting.ssrf_corpus import REFUSED_ADDRESSES, REFUSED_URLS


def refusal(url: str, *allowed: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse_destination(url, [Allowed.parse(text) for text in allowed])
    assert (caught.value.code, caught.value.status) == ("webhook/url-refused", 422)
    return caught.value.detail


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_the_corpus_is_refused_without_a_word_of_what_was_sent(url: str) -> None:
    detail = refusal(url)
    assert "\n" not in detail and detail.isascii()
    assert not url or url not in detail


def test_the_corpus_is_large_enough() -> None:
    assert len(set(REFUSED_URLS)) >= 60


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_an_address_that_is_not_of_the_public_internet(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::8a"])
def test_a_public_address(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_url_is_taken_apart_once() -> None:
    plain = parse_destination("https://hooks.example.org/a/b?c=d")
    assert (plain.host, plain.port, plain.path) == ("hooks.example.org", 443, "/a/b?c=d")
    assert plain.authority == "hooks.example.org"
    assert parse_destination("HTTPS://Hooks.Example.ORG:8443").authority == "hooks.example.org:8443"
    assert parse_destination("https://[2606:4700::1111]/x").authority == "[2606:4700::1111]"
    assert parse_destination("https://xn--bcher-kva.example").path == "/"


def test_the_operators_list_opens_exactly_its_addresses_and_ports() -> None:
    inner = "127.0.0.1/32:9000"
    assert parse_destination("http://127.0.0.1:9000/", [Allowed.parse(inner)]).port == 9000
    refusal("http://127.0.0.1:9001/", inner)
    refusal("https://127.0.0.2:9000/", inner)
    refusal("http://8.8.8.8:9000/", inner)
    refusal("https://8.8.8.8:9000/", inner)  # a public host at a port that is open for another one
    assert parse_destination("https://8.8.8.8/", [Allowed.parse(inner)]).port == 443
    named = parse_destination("http://hooks.example.org:9000/", [Allowed.parse(inner)])
    allowed = [Allowed.parse(inner)]
    assert checked_addresses(named, ["127.0.0.1"], allowed) == [ip_address("127.0.0.1")]
    with pytest.raises(InvalidInput):
        checked_addresses(named, ["8.8.8.8"], allowed)


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", "127.0.0.1/32:0", "x:1", "1.2.3.4/8:80", ":8443"]
)
def test_a_list_that_cannot_be_read_is_refused_on_start(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Allowed.parse(text)
    assert caught.value.code == "settings/webhook-allow"


def test_one_bad_answer_spoils_the_name_and_a_name_without_answers_is_told_alike() -> None:
    to = parse_destination("https://hooks.example.org/")
    assert [str(one) for one in checked_addresses(to, ["2606:4700::1111", "8.8.8.8"], ())] == [
        "8.8.8.8",
        "2606:4700::1111",
    ]
    told = set()
    for answers in (["8.8.8.8", "10.0.0.1"], ["8.8.8.8", "::1"], ["fe80::1%eth0"], [], ["junk"]):
        with pytest.raises(InvalidInput) as caught:
            checked_addresses(to, answers, ())
        told.add(caught.value.detail)
    assert len(told) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, (1 << 32) - 1))
def test_an_ipv4_address_is_as_refused_inside_ipv6_as_by_itself(number: int) -> None:
    v4 = ip_address(number)
    for form in (
        f"::ffff:{v4}",
        f"64:ff9b::{v4}",
        f"::{v4}",
        f"2002:{number >> 16:x}:{number & 65535:x}::",
    ):
        assert not is_public(ip_address(form))
    if v4.is_private or v4.is_loopback or v4.is_link_local or v4.is_multicast or v4.is_reserved:
        assert not is_public(v4)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_whatever_is_sent_is_taken_apart_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"https://hooks.example.org/{text}"):
        try:
            to = parse_destination(url)
        except InvalidInput as error:
            assert error.code == "webhook/url-refused"  # noqa: PT017
        else:
            assert to.is_tls and to.port in (443, 8443)
            assert to.address is None or may_connect(to, to.address, ())
            assert not set(to.host + to.path) & set(" \r\n\t\\#@") - {"@"}
