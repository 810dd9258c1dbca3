"""Check the lock files: `python -m tests.lock_files`, a part of `make check`.

Ends with 1 and one line that says what is wrong first, or with one line that says what is right.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("run.txt", "dev.txt")

_ADDRESS = re.compile(r"://|^\s*(-i|-f|--index-url|--extra-index-url|--find-links)\b", re.MULTILINE)
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)")

Pins = Mapping[str, str]


class LockFault(Exception):
    """What is wrong, in one line."""


def main() -> int:
    """Check the files of this checkout."""
    try:
        said = check(ROOT)
    except LockFault as fault:
        sys.stderr.write(f"lock files: {fault}\n")
        return 1
    sys.stdout.write(f"lock files: {said}\n")
    return 0


def check(root: Path) -> str:
    """Give one line about what holds.

    Raises:
        Fault: for the first thing that does not.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    run, dev = (read_pins(root / "requirements" / name) for name in NAMES)
    for name, version in run.items():
        if dev.get(name) != version:
            raise LockFault(f"run.txt pins {name} {version}, dev.txt {dev.get(name, 'not at all')}")
    wanted = list(project["dependencies"])
    _hold(wanted, run, "run.txt")
    for extra in project["optional-dependencies"].values():
        _hold((text for text in extra if not text.startswith("nameplate[")), dev, "dev.txt")
    return f"{len(run)} packages to run, {len(dev)} to develop, all pinned by hash"


def read_pins(path: Path) -> dict[str, str]:
    """Read a file's packages and versions.

    Raises:
        Fault: an index address, or a line without a version or without a hash.
    """
    text = path.read_text()
    if _ADDRESS.search(text):
        raise LockFault(f"{path.name} names an index; it must install from whichever is set up")
    pins: dict[str, str] = {}
    for line in _lines(text):
        pin = _PIN.match(line)
        if pin is None:
            raise LockFault(f"{path.name} pins no version in: {line[:60]}")
        if "--hash=sha256:" not in line:
            raise LockFault(f"{path.name} has no hash for {pin[1]}")
        pins[canonicalize_name(pin[1])] = pin[2]
    if not pins:
        raise LockFault(f"{path.name} is empty")
    return pins


def _lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def _hold(wanted: Iterable[str], pins: Pins, where: str) -> None:
    for text in wanted:
        requirement = Requirement(text)
        version = pins.get(canonicalize_name(requirement.name))
        if version is None:
            raise LockFault(f"{where} lacks {requirement.name}; run `make lock`")
        if version not in requirement.specifier:
            raise LockFault(f"{where} pins {requirement.name} {version}, outside of {text}")


if __name__ == "__main__":
    sys.exit(main())
