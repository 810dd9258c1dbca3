"""`.env.example` is what an operator copies: complete, readable, and without a secret."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from dotenv import dotenv_values

from app.settings import PREFIX, Settings

EXAMPLE = Path(__file__).resolve().parents[1] / ".env.example"
PLACEHOLDER = "change-me"


def test_the_example_lists_every_setting_in_order() -> None:
    assert list(dotenv_values(EXAMPLE)) == [PREFIX + name.upper() for name in Settings.model_fields]


def test_every_setting_of_the_example_has_a_reason_above_it() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for before, line in pairwise(lines):
        assert not line.startswith(PREFIX) or before.startswith("# "), line


def test_the_example_is_read_as_settings() -> None:
    settings = Settings(_env_file=EXAMPLE)  # type: ignore[call-arg] # the file fills the rest
    assert settings.cname_target == "customers.provider.com"
    assert settings.bootstrap_api_key is None
    assert settings.dns_resolvers == ()


def test_optional_settings_of_the_example_are_the_defaults() -> None:
    settings = Settings(_env_file=EXAMPLE)  # type: ignore[call-arg] # the file fills the rest
    for name, field in Settings.model_fields.items():
        if not field.is_required():
            assert getattr(settings, name) == field.default, name


def test_the_examples_secrets_are_placeholders() -> None:
    values = dotenv_values(EXAMPLE)
    assert values["NAMEPLATE_CLOUDFLARE_API_TOKEN"] == PLACEHOLDER
    assert values["NAMEPLATE_SECRET_KEYS"] == PLACEHOLDER
    assert values["NAMEPLATE_BOOTSTRAP_API_KEY"] == ""
    assert f":{PLACEHOLDER}@" in (values["NAMEPLATE_DATABASE_URL"] or "")
    assert set(values["NAMEPLATE_CLOUDFLARE_ZONE_ID"] or "") == {"0"}


def test_the_placeholder_encrypts_nothing() -> None:
    with pytest.raises(ValueError, match="Fernet key must be"):
        Fernet(PLACEHOLDER)


def test_nothing_in_the_example_looks_like_a_key() -> None:
    for name, value in dotenv_values(EXAMPLE).items():
        assert not re.search(r"np_\w|whsec_|[A-Za-z0-9_=+/-]{33,}", value or ""), name
