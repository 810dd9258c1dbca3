"""Real name servers: Knot DNS and Unbound, started on addresses under 127.0.0.0/8.

All share one unprivileged port, as servers on the internet share port 53. They run as whoever runs
the tests, keep everything in a temporary folder, and are stopped by their process ids.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

START_SECONDS = 30.0
_SYSTEM = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin"


def found(program: str) -> str:
    """Give the path of a program, or skip the test."""
    path = shutil.which(program) or shutil.which(program, path=_SYSTEM)
    if path is None:
        package = "unbound" if program.startswith("unbound") else "knot"
        pytest.skip(f"{program} is not installed; Debian's package `{package}` has it")
    return path


def free_port() -> int:
    """Find a port that is free for UDP and TCP at every address."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("0.0.0.0", 0))  # noqa: S104 - closed at once
            try:
                udp.bind(("0.0.0.0", tcp.getsockname()[1]))  # noqa: S104 - the same
            except OSError:
                continue
            return int(tcp.getsockname()[1])


def has_ipv6() -> bool:
    """Say whether this machine has an IPv6 loopback address."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            return False
    return True


@dataclass
class DnsServers:
    """Starts servers in a folder, all at one port."""

    folder: Path
    port: int
    _stack: ExitStack = field(default_factory=ExitStack)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def knot(
        self,
        address: str,
        zones: Mapping[str, str],
        *,
        signed: Sequence[str] = (),
        also: Sequence[str] = (),
    ) -> None:
        """Serve zones, given as zone files, by a Knot of its own; sign some of them.

        `also` are further addresses to listen on.

        One Knot that held parent and child would answer from the child without a referral.
        """
        program = found("knotd")
        home = self.folder / address
        home.mkdir()
        self._write(address, zones)
        listed = "\n".join(
            f"  - domain: {name}\n    file: {home}/{name}zone\n"
            f"    dnssec-signing: {'on' if name in signed else 'off'}\n"
            # A changed zone stays in the journal: the file is what a test wrote.
            "    zonefile-sync: -1\n    journal-content: none\n    semantic-checks: off"
            for name in zones
        )
        listen = ", ".join(f"{each}@{self.port}" for each in (address, *also))
        config = home / "knot.conf"
        config.write_text(
            f"""
server:
  rundir: {home}
  pidfile: {home}/knot.pid
  listen: [{listen}]
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  dbus-event: none
database:
  storage: {home}
  journal-db: {home}/journal
  kasp-db: {home}/kasp
  timer-db: {home}/timer
log:
  - target: {home}/log
    any: info
policy:
  - id: default
    algorithm: ecdsap256sha256
    nsec3: off
template:
  - id: default
    storage: {home}
    dnssec-policy: default
zone:
{listed}
"""
        )
        self._run([program, "-c", str(config)], home, address)

    def change(self, address: str, zones: Mapping[str, str]) -> None:
        """Give a Knot other zone files, with higher serials, and wait until it serves them."""
        self._write(address, zones)
        self._processes[address].send_signal(signal.SIGHUP)
        until = time.monotonic() + START_SECONDS
        for name, text in zones.items():
            while self._serial(address, name) != _serial_in(text):
                if time.monotonic() > until:
                    raise RuntimeError(f"{address} does not serve the new {name}")
                time.sleep(0.02)

    def unbound(
        self,
        address: str,
        stubs: Mapping[str, Sequence[str]],
        *,
        anchors: Sequence[str] = (),
        remembers: bool = False,
    ) -> None:
        """Serve as a validating resolver that sends each zone's questions to some addresses."""
        program = found("unbound")
        home = self.folder / address
        home.mkdir()
        zones = "\n".join(
            "\n".join(
                (f'stub-zone:\n  name: "{name}"', *(f"  stub-addr: {at}@{self.port}" for at in to))
            )
            for name, to in stubs.items()
        )
        forgetting = "" if remembers else "  cache-max-ttl: 0\n  cache-max-negative-ttl: 0"
        trusted = "\n".join(f'  trust-anchor: "{anchor}"' for anchor in anchors)
        config = home / "unbound.conf"
        config.write_text(
            f"""
server:
  directory: "{home}"
  pidfile: "{home}/unbound.pid"
  logfile: "{home}/log"
  use-syslog: no
  chroot: ""
  username: ""
  num-threads: 1
  interface: {address}@{self.port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  do-not-query-localhost: no
  val-bogus-ttl: 0
{forgetting}
{trusted}
remote-control:
  control-enable: no
{zones}
"""
        )
        self._run([program, "-d", "-c", str(config)], home, address)

    def ds(self, address: str, zone: str) -> list[str]:
        """Give the DS records of a zone that the Knot at an address signed."""
        program = found("keymgr")
        told = subprocess.run(
            [program, "-c", str(self.folder / address / "knot.conf"), zone, "ds"],
            check=True,
            capture_output=True,
            text=True,
        )
        return [line for line in told.stdout.splitlines() if " DS " in line]

    def close(self) -> None:
        """Stop all of them."""
        self._stack.close()

    def _write(self, address: str, zones: Mapping[str, str]) -> None:
        for name, text in zones.items():
            file = self.folder / address / f"{name}zone"
            file.write_text(f"$ORIGIN {name}\n$TTL 300\n{text}\n")

    def _serial(self, address: str, zone: str) -> int | None:
        query = dns.message.make_query(zone, "SOA")
        answer = dns.query.udp(query, address, port=self.port, timeout=START_SECONDS).answer
        return next((each.serial for rrset in answer for each in rrset), None)

    def _run(self, command: list[str], home: Path, address: str) -> None:
        log = self._stack.enter_context((home / "output").open("wb"))
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home)
        self._stack.callback(_stop, process)
        self._processes[address] = process
        self._wait(process, home, address)

    def _wait(self, process: subprocess.Popen[bytes], home: Path, address: str) -> None:
        query = dns.message.make_query("up.test.", "A")
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if process.poll() is not None:
                break
            try:
                dns.query.udp(query, address, port=self.port, timeout=0.2)
            except (dns.exception.DNSException, OSError):
                time.sleep(0.05)
            else:
                return
        said = [(home / name).read_text() for name in ("output", "log") if (home / name).exists()]
        raise RuntimeError(f"{process.args!r} does not answer: " + "\n".join(said))


def _serial_in(zone: str) -> int:
    return int(zone.partition(" SOA ")[2].split()[2])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def dns_servers(folder: Path) -> Iterator[DnsServers]:
    """Give a starter of servers; all are stopped at the end."""
    servers = DnsServers(folder, free_port())
    try:
        yield servers
    finally:
        servers.close()
