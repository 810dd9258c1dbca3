"""What the settings say about where webhooks may go."""

from __future__ import annotations

from typing import Any

import pytest

from app.adapters.webhook_sender import WebhookSender
from app.bootstrap import _webhook_sender
from app.domain.errors import WebhookRefused
from app.settings import SettingsError, load_settings

REQUIRED = {
    "DATABASE_URL": "postgresql://nameplate@127.0.0.1/nameplate",
    "CLOUDFLARE_ZONE_ID": "0" * 32,
    "CLOUDFLARE_API_TOKEN": "token",
    "CNAME_TARGET": "customers.provider.com",
    "FALLBACK_ORIGIN": "proxy-fallback.provider.com",
    "SECRET_KEYS": "key",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(f"NAMEPLATE_{name}", value)


def sender() -> WebhookSender:
    return _webhook_sender(load_settings(), [])


def refusal(url: str) -> str:
    with pytest.raises(WebhookRefused) as caught:
        sender().check(url)
    return caught.value.code


def test_without_any_setting_webhooks_go_over_https_to_public_addresses_at_two_ports() -> None:
    for port in ("", ":8443"):
        sender().check(f"https://hooks.shop.com{port}/")
    assert refusal("https://hooks.shop.com:6379/") == "port_not_allowed"
    assert refusal("http://hooks.shop.com/") == "url_not_https"
    assert refusal("https://10.1.2.3/") == "address_not_allowed"
    assert refusal("http://127.0.0.1:8002/") == "url_not_https"


def test_ports_are_those_of_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMEPLATE_WEBHOOKS_PORTS", "443, 9443")
    sender().check("https://hooks.shop.com:9443/")
    assert refusal("https://hooks.shop.com:8443/") == "port_not_allowed"


def test_http_is_sent_to_port_80_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMEPLATE_WEBHOOKS_ALLOW_HTTP", "on")
    sender().check("http://hooks.shop.com/")
    assert refusal("http://hooks.shop.com:8080/") == "port_not_allowed"


def test_inner_receivers_are_those_of_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMEPLATE_WEBHOOKS_ALLOWED_NETWORKS", "10.1.0.0/16, fd00:1::/32")
    for host in ("10.1.2.3", "[fd00:1::2]"):
        sender().check(f"https://{host}/")
    assert refusal("https://10.2.0.1/") == "address_not_allowed"


def test_loopback_needs_its_own_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMEPLATE_WEBHOOKS_ALLOW_LOOPBACK", "on")
    sender().check("http://127.0.0.1:8002/")
    assert refusal("http://hooks.shop.com/") == "url_not_https"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORTS", "https", "must be a whole number"),
        ("PORTS", "0", "must be 1 or more"),
        ("PORTS", "65536", "must be 65535 or less"),
        ("PORTS", ",", "must hold at least 1"),
        ("ALLOWED_NETWORKS", "10.0.0.1/8", "must hold addresses or prefixes"),
        ("ALLOWED_NETWORKS", "shop.internal", "must hold addresses or prefixes"),
        ("ALLOW_HTTP", "maybe", "must be true or false"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"NAMEPLATE_WEBHOOKS_{name}", value)
    with pytest.raises(SettingsError, match=f"NAMEPLATE_WEBHOOKS_{name} {said}"):
        load_settings()
