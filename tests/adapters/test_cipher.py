"""Encryption at rest, and the rotation of its keys."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet, InvalidToken

from app.adapters.cipher import Cipher
from app.domain.errors import NotReady

OLD = Fernet.generate_key().decode()
NEW = Fernet.generate_key().decode()


def test_what_is_encrypted_is_decrypted_again() -> None:
    cipher = Cipher([NEW])
    assert cipher.decrypt(cipher.encrypt("whsec_Zm9v ünd more")) == "whsec_Zm9v ünd more"


def test_the_text_is_not_in_what_is_stored_and_no_two_are_alike() -> None:
    cipher = Cipher([NEW])
    one, other = cipher.encrypt("secret"), cipher.encrypt("secret")
    assert b"secret" not in one
    assert one != other


def test_a_former_key_still_decrypts() -> None:
    stored = Cipher([OLD]).encrypt("secret")
    assert Cipher([NEW, OLD]).decrypt(stored) == "secret"


def test_the_newest_key_encrypts() -> None:
    stored = Cipher([NEW, OLD]).encrypt("secret")
    assert Fernet(NEW).decrypt(stored) == b"secret"
    with pytest.raises(InvalidToken):
        Fernet(OLD).decrypt(stored)


@pytest.mark.parametrize("damaged", [b"", b"x", b"gAAAAA", b"\xff\xfe"])
def test_what_no_key_fits_says_to_put_the_former_key_back(damaged: bytes) -> None:
    for stored in (damaged, Cipher([OLD]).encrypt("secret")):
        with pytest.raises(NotReady, match="add the former key again") as caught:
            Cipher([NEW]).decrypt(stored)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "keys", [[], [""], ["short"], [NEW, "short"], ["é" * 44], [NEW[:-4]], ["!" * 44]]
)
def test_wrong_keys_are_named_in_one_line_without_the_keys(keys: list[str]) -> None:
    with pytest.raises(NotReady, match="NAMEPLATE_SECRET_KEYS") as caught:
        Cipher(keys)
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.__suppress_context__
    assert not any(key and key in line for key in keys)
