"""Custom hostnames loaded by the million: what each is follows from its number alone.

A seed is one order; its rows are made up when they are read, always alike. Statuses and what
became of single rows are kept by `hostnames`.
"""

import uuid
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from sandbox.clock import DAY
from sandbox.model import Certificate, CustomHostname, Issued

_NUMBER_BITS = 96
_NUMBER_DIGITS = 7
_OWNERSHIP, _CERTIFICATE, _DCV, _SERIAL = (salt << 64 for salt in range(1, 5))
_LIFE = 90 * DAY
_TOKENS_LIVE = 14 * DAY
_LIVE = frozenset({"active", "active_redeploying"})
_HAS_ISSUED = frozenset({"active", "pending_expiration", "expired", "backup_issued"})


class SeedTakenError(ValueError):
    """Some of the names, or of the ids, are taken."""


@dataclass(frozen=True, slots=True)
class Family:
    """The names `{prefix}-{number}.{domain}`."""

    prefix: str
    domain: str

    @property
    def mark(self) -> int:
        """The upper 32 bits of all its ids."""
        return zlib.crc32(f"{self.prefix}.{self.domain}".encode())

    def name(self, number: int) -> str:
        """Return the name with a number."""
        return f"{self.prefix}-{number:0{_NUMBER_DIGITS}d}.{self.domain}"

    def uuid(self, number: int, salt: int = 0) -> str:
        """Return the id of the name with a number, or another identifier of it."""
        return str(uuid.UUID(int=(self.mark << _NUMBER_BITS) | salt | number))

    @classmethod
    def parse(cls, name: str) -> tuple[Self, int] | None:
        """Return the family of a name and its number in it, if it can have one."""
        label, _, domain = name.partition(".")
        prefix, _, digits = label.rpartition("-")
        if not digits.isascii() or not digits.isdigit():
            return None
        family, number = cls(prefix, domain), int(digits)
        return (family, number) if family.name(number) == name else None


@dataclass(frozen=True, slots=True)
class Seed:
    """One order: numbers from `start`, at sequence numbers from `first_sequence`."""

    prefix: str
    domain: str
    start: int
    count: int
    first_sequence: int
    status: str
    ssl_status: str
    created_at: float
    seeded_at: float

    @property
    def family(self) -> Family:
        """The names it is of."""
        return Family(self.prefix, self.domain)

    @property
    def sequences(self) -> range:
        """The sequence numbers of all its rows."""
        return range(self.first_sequence, self.first_sequence + self.count)

    @property
    def numbers(self) -> range:
        """The numbers of all its rows."""
        return range(self.start, self.start + self.count)

    def names(self, name: str) -> bool:
        """Say whether a name is one of its."""
        parsed = Family.parse(name)
        return parsed is not None and parsed[0] == self.family and parsed[1] in self.numbers

    def name_at(self, sequence: int) -> str:
        """Return the name at a sequence number, without all the rest."""
        return self.family.name(self.start + sequence - self.first_sequence)

    def row(self, sequence: int, status: str, ssl_status: str | None) -> CustomHostname:
        """Return the custom hostname at a sequence number: no course of it runs."""
        family, number = self.family, self.start + sequence - self.first_sequence
        return CustomHostname(
            sequence=sequence,
            id=family.uuid(number),
            hostname=family.name(number),
            created_at=self.created_at,
            ownership_token=family.uuid(number, _OWNERSHIP),
            ssl=self._certificate(number, ssl_status) if ssl_status is not None else None,
            status=status,
            has_pointed_here=status in _LIVE,
        )

    def _certificate(self, number: int, status: str) -> Certificate:
        certificate = Certificate(
            self.family.uuid(number, _CERTIFICATE), "http", status=status, orders=1
        )
        if status in _HAS_ISSUED:
            serial = (self.family.mark << _NUMBER_BITS) | _SERIAL | number
            certificate.issued = Issued(
                self.created_at, self.created_at + _LIFE, str(serial), self.seeded_at + _LIFE
            )
        else:
            certificate.tokens = (self.family.uuid(number, _DCV),)
            certificate.tokens_expire_at = self.seeded_at + _TOKENS_LIVE
        return certificate


class Seeds:
    """All seeds of the zone; says where a row would be, not whether it still is."""

    def __init__(self) -> None:
        self._seeds: list[Seed] = []
        self._first_sequences: list[int] = []
        self._of_mark: dict[int, list[Seed]] = {}
        self.loaded = 0

    def add(self, seed: Seed) -> None:
        """Take in a seed whose sequence numbers are higher than all before."""
        self._seeds.append(seed)
        self._first_sequences.append(seed.first_sequence)
        self._of_mark.setdefault(seed.family.mark, []).append(seed)
        self.loaded += seed.count

    def clashing(self, family: Family) -> Family | None:
        """Return another family whose ids are the same, if there is one."""
        known = self._of_mark.get(family.mark)
        return known[0].family if known and known[0].family != family else None

    def at(self, sequence: int) -> Seed | None:
        """Return the seed that a sequence number belongs to."""
        place = bisect_right(self._first_sequences, sequence) - 1
        seed = self._seeds[place] if place >= 0 else None
        return seed if seed and sequence in seed.sequences else None

    def with_id(self, text: str) -> Iterator[int]:
        """Yield the sequence numbers that rows with an id have or had."""
        if not self._seeds:
            return iter(())
        try:
            parsed = uuid.UUID(text)
        except ValueError:
            return iter(())
        number = parsed.int & ((1 << _NUMBER_BITS) - 1)
        known = self._of_mark.get(parsed.int >> _NUMBER_BITS)
        if not known or str(parsed) != text:
            return iter(())
        return self.numbered(known[0].family, number)

    def named(self, name: str) -> Iterator[int]:
        """Yield the sequence numbers that rows with a name have or had."""
        parsed = Family.parse(name) if self._seeds else None
        return self.numbered(*parsed) if parsed else iter(())

    def numbered(self, family: Family, number: int) -> Iterator[int]:
        """Yield the sequence numbers that rows with a number have or had, latest first."""
        for seed in reversed(self._of_mark.get(family.mark, [])):
            if seed.family == family and 0 <= number - seed.start < seed.count:
                yield seed.first_sequence + number - seed.start
