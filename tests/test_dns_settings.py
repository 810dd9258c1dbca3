"""The settings of DNS providers and Domain Connect, and how they go together."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings

EXAMPLE = Path(__file__).resolve().parents[1] / ".env.example"


def settings(**given: str) -> Settings:
    return Settings(_env_file=EXAMPLE, **given)  # type: ignore[call-arg, arg-type] # the file fills the rest


def test_a_list_of_ones_own_is_a_path() -> None:
    assert settings().dns_providers_file is None
    assert settings(dns_providers_file="/etc/dns.json").dns_providers_file == Path("/etc/dns.json")


def test_domain_connect_is_never_offered_unless_it_is_set_up() -> None:
    assert settings().domain_connect_providers == ()
    chosen = settings(
        domain_connect_provider_id="provider.com", domain_connect_providers="godaddy.com, ionos.com"
    )
    assert chosen.domain_connect_providers == ("godaddy.com", "ionos.com")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"domain_connect_providers": "godaddy.com"}, "needs DOMAIN_CONNECT_PROVIDER_ID"),
        ({"domain_connect_provider_id": "a/b"}, "String should match pattern"),
        ({"domain_connect_private_key": "key"}, "must be set together"),
        ({"domain_connect_key_host": "_dcpubkeyv1"}, "must be set together"),
        (
            {"domain_connect_private_key": "key", "domain_connect_key_host": "a.b"},
            "String should match pattern",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**given)


def test_the_private_key_is_not_printed() -> None:
    chosen = settings(domain_connect_private_key="pem", domain_connect_key_host="_dcpubkeyv1")
    assert chosen.domain_connect_private_key is not None
    assert "pem" not in repr(chosen)
