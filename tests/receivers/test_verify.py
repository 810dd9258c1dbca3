"""The verify functions of `docs/receivers` agree on what Nameplate sent, in every language."""

from __future__ import annotations

import base64
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook

from app.domain.event_samples import sample_body
from app.domain.events import EventType

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "docs/receivers"
DRIVERS = Path(__file__).parent / "drivers"
SECONDS = 100
ID = "evt_01kb2r7m3v4x5y6z7a8b9c0d04"
TYPE = EventType.CNAME_VERIFIED
# As it is sent, but for letters that are not ASCII.
BODY = json.dumps(sample_body(TYPE) | {"note": "Grüße 🫖"}, ensure_ascii=False)


def text_of(key: bytes) -> str:
    return base64.b64encode(key).decode()


SECRET, OTHER_SECRET = (f"whsec_{text_of(bytes([number]) * 24)}" for number in (1, 2))
PRIVATE, OTHER_PRIVATE = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
PUBLIC_KEY = f"whpk_{text_of(PUBLIC)}"


Signer: TypeAlias = str | bytes | Ed25519PrivateKey
"""A secret, the bare bytes of one, or a private key."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """What arrives: signed over `id`, `seconds` from now, and `signed`; with `body` as its body."""

    key: str = SECRET
    signers: tuple[Signer, ...] = (SECRET,)
    signed: str = BODY
    body: str = BODY
    seconds: int = 0
    headers: dict[str, str | None] = field(default_factory=dict)
    """Set, or taken away, after signing. `{0}` is the first signature, `{value}` its value."""

    def as_json(self) -> dict[str, object]:
        """Give it to a driver; the time is that of the call."""
        at = datetime.fromtimestamp(int(time.time()) + self.seconds, UTC)
        stamp = str(int(at.timestamp()))
        signatures = [sign(signer, at, self.signed) for signer in self.signers]
        headers = {
            "webhook-id": ID,
            "webhook-timestamp": stamp,
            "webhook-signature": " ".join(signatures),
        }
        for name, text in self.headers.items():
            headers.pop(name)
            if text is not None:
                headers[name] = text.format(*signatures, value=signatures[0].partition(",")[2])
        body = base64.b64encode(self.body.encode()).decode()
        return {"body": body, "headers": headers, "key": self.key}


def sign(signer: Signer, at: datetime, body: str) -> str:
    if isinstance(signer, str):
        return Webhook(signer).sign(ID, at, body)
    signed = f"{ID}.{int(at.timestamp())}.{body}".encode()
    if isinstance(signer, bytes):
        return f"v1,{text_of(hmac.digest(signer, signed, 'sha256'))}"
    return f"v1a,{text_of(signer.sign(signed))}"


SIGNATURE, STAMP = "webhook-signature", "webhook-timestamp"
EITHER: dict[str, tuple[bool, Message]] = {
    "good": (True, Message()),
    "good, and four minutes old": (True, Message(seconds=-240)),
    "a changed body": (False, Message(body=BODY.replace("customer-42", "customer-43"))),
    "a body that was written again": (False, Message(body=json.dumps(json.loads(BODY)))),
    "another id": (False, Message(headers={"webhook-id": "evt_other"})),
    "another timestamp": (False, Message(headers={STAMP: str(int(time.time()) - 7)})),
    "six minutes old": (False, Message(seconds=-360)),
    "from in six minutes": (False, Message(seconds=360)),
    "a timestamp that is no number": (False, Message(headers={STAMP: "now"})),
    "no id": (False, Message(headers={"webhook-id": None})),
    "no timestamp": (False, Message(headers={STAMP: None})),
    "no signature": (False, Message(headers={SIGNATURE: None})),
    "an empty signature": (False, Message(headers={SIGNATURE: ""})),
    "an unknown version beside the good one": (True, Message(headers={SIGNATURE: "v2,AAAA {0}"})),
    "one without a version": (False, Message(headers={SIGNATURE: "{value}"})),
    "one under an unknown version": (False, Message(headers={SIGNATURE: "v9,{value}"})),
    "one that is cut short": (False, Message(headers={SIGNATURE: "v1,AAAA v1a,AAAA"})),
}
HMAC: dict[str, tuple[bool, Message]] = EITHER | {
    "a wrong secret": (False, Message(signers=(OTHER_SECRET,))),
    "two, of which the second fits": (True, Message(signers=(OTHER_SECRET, SECRET))),
    "two, of which the first fits": (True, Message(signers=(SECRET, OTHER_SECRET))),
    "two that do not fit": (False, Message(signers=(OTHER_SECRET, OTHER_SECRET))),
    "one of Ed25519 beside it": (True, Message(signers=(PRIVATE, SECRET))),
    "one of Ed25519 alone": (False, Message(signers=(PRIVATE,))),
}
AS_SECRET = f"whsec_{text_of(PUBLIC)}"
ED25519: dict[str, tuple[bool, Message]] = {
    name: (good, replaced)
    for name, (good, message) in EITHER.items()
    for replaced in [
        Message(
            key=PUBLIC_KEY,
            signers=(PRIVATE,),
            body=message.body,
            seconds=message.seconds,
            headers=message.headers,
        )
    ]
} | {
    "a wrong key": (False, Message(key=PUBLIC_KEY, signers=(OTHER_PRIVATE,))),
    "two, of which the second fits": (
        True,
        Message(key=PUBLIC_KEY, signers=(OTHER_PRIVATE, PRIVATE)),
    ),
    "one of a secret beside it": (True, Message(key=PUBLIC_KEY, signers=(SECRET, PRIVATE))),
    # Everybody knows the public key: it must never serve as a secret.
    "an HMAC by the public key": (False, Message(key=PUBLIC_KEY, signers=(AS_SECRET,))),
}

# What a lenient reading makes of keys that are none. Whoever guesses it could sign: nothing at all,
# the public key, and the public key decoded from base64 with its prefix, in either alphabet.
GUESSED = (
    b"",
    PUBLIC,
    *(base64.b64decode(f"{PUBLIC_KEY.replace('_', other)}===") for other in ("", "/")),
)
NOT_A_KEY: dict[str, tuple[bool, Message]] = {
    f"the key {name}": (False, Message(key=key, signers=(*GUESSED, SECRET, PRIVATE)))
    for name, key in {
        "is empty": "",
        "is the prefix of a secret alone": "whsec_",
        "is the prefix of a public key alone": "whpk_",
        "has no prefix": SECRET.removeprefix("whsec_"),
        "has the prefix of a private key": PUBLIC_KEY.replace("whpk", "whsk"),
        "begins with a space": f" {PUBLIC_KEY}",
        "is in capital letters": PUBLIC_KEY.upper(),
        "is cut short": SECRET[:20],
        "is not base64": "whsec_" + "*" * 32,
    }.items()
}


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def run_driver(command: list[str], cases: dict[str, tuple[bool, Message]]) -> dict[str, object]:
    ended = subprocess.run(
        command,
        input=json.dumps([message.as_json() for _, message in cases.values()]),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return dict(zip(cases, json.loads(ended.stdout), strict=True))


def expected(cases: dict[str, tuple[bool, Message]]) -> dict[str, object]:
    return {name: str(TYPE) if good else None for name, (good, _) in cases.items()}


PROGRAMS = {
    "node": ("driver.mjs", "verify.mjs"),
    "ruby": ("driver.rb", "verify.rb"),
    "php": ("driver.php", "verify.php"),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_receiver_takes_what_is_good_and_nothing_else(program: str) -> None:
    needs(program)
    driver, file = PROGRAMS[program]
    command = [program, str(DRIVERS / driver), str(FILES / file)]
    assert run_driver(command, HMAC) == expected(HMAC)
    assert run_driver(command, ED25519) == expected(ED25519)
    assert run_driver(command, NOT_A_KEY) == expected(NOT_A_KEY)


def test_a_receiver_in_python_takes_what_is_good_and_nothing_else() -> None:
    command = [sys.executable, str(DRIVERS / "driver.py")]
    assert run_driver([*command, str(FILES / "verify.py")], HMAC) == expected(HMAC)
    by_ed25519 = [*command, str(FILES / "verify_ed25519.py")]
    assert run_driver(by_ed25519, ED25519) == expected(ED25519)
    of_the_other = {"the key is public": (False, Message(key=PUBLIC_KEY, signers=GUESSED))}
    cases = NOT_A_KEY | of_the_other
    assert run_driver([*command, str(FILES / "verify.py")], cases) == expected(cases)
    of_the_other = {"the key is a secret": (False, Message(signers=(SECRET, PRIVATE)))}
    cases = NOT_A_KEY | of_the_other
    assert run_driver(by_ed25519, cases) == expected(cases)


def test_a_receiver_in_go_takes_what_is_good_and_nothing_else(tmp_path: Path) -> None:
    needs("go")
    (tmp_path / "nameplate").mkdir()
    shutil.copy(FILES / "verify.go", tmp_path / "nameplate")
    shutil.copy(DRIVERS / "main.go", tmp_path)
    (tmp_path / "go.mod").write_text("module receiver\n\ngo 1.18\n")
    # Nothing is fetched, and nothing is kept.
    environment = os.environ | {
        "GOCACHE": str(tmp_path / "cache"),
        "GOPATH": str(tmp_path / "path"),
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    program = tmp_path / "receiver"
    built = subprocess.run(
        ["go", "build", "-o", str(program), "."],  # noqa: S607 - wherever it is installed
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (built.returncode, built.stderr) == (0, "")
    assert run_driver([str(program)], HMAC) == expected(HMAC)
    assert run_driver([str(program)], ED25519) == expected(ED25519)
    assert run_driver([str(program)], NOT_A_KEY) == expected(NOT_A_KEY)


@contextmanager
def receiving(command: list[str]) -> Iterator[str]:
    """Run a receiver on a free port until it takes connections."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"SECRET": SECRET, "PORT": str(port)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            until = time.monotonic() + SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < until
                    assert process.poll() is None
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/nameplate"
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("program", "file"), [(sys.executable, "verify.py"), ("node", "verify.mjs")], ids=["py", "mjs"]
)
def test_a_receiver_answers_204_to_what_is_good_and_400_to_the_rest(
    program: str, file: str
) -> None:
    needs(program)
    with receiving([program, str(FILES / file)]) as url:
        for good, message in HMAC.values():
            shown = message.as_json()
            body = base64.b64decode(str(shown["body"]))
            headers = shown["headers"]
            assert isinstance(headers, dict)
            answer = httpx.post(url, content=body, headers=headers, trust_env=False)
            assert answer.status_code == (204 if good else 400)
