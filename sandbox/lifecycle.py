"""Begins, refreshes, forces and ends the courses of custom hostnames, and keeps each step.

What a step does is `hostname_course`, `certificate_course` and `fallback`.
"""

from collections.abc import Sequence

from sandbox import fallback
from sandbox.agenda import Agenda, Key
from sandbox.certificate_course import CertificateCourse, NothingToDoError
from sandbox.clock import Clock
from sandbox.fallback import FallbackOriginKeeper
from sandbox.hostname_course import HostnameCourse
from sandbox.hostnames import CustomHostnames
from sandbox.model import Certificate, CustomHostname

_HOSTNAME, _CERTIFICATE = "hostname", "certificate"


class Lifecycle:
    """The one place that plans: what is saved and what is on the agenda never differ."""

    def __init__(
        self,
        clock: Clock,
        hostnames: CustomHostnames,
        fallback_origin: FallbackOriginKeeper,
        hostname_course: HostnameCourse,
        certificate_course: CertificateCourse,
    ) -> None:
        self._hostnames = hostnames
        self._fallback_origin = fallback_origin
        self._hostname_course = hostname_course
        self._certificate_course = certificate_course
        self.agenda = Agenda(clock, self._run)
        fallback_origin.resume(self.agenda)
        for hostname in hostnames.kept():
            self._plan(hostname)

    def begin(self, hostname: CustomHostname) -> None:
        """Take in a new custom hostname."""
        self._hostname_course.begin(hostname)
        if hostname.ssl:
            self._certificate_course.order(hostname.hostname, hostname.ssl)
        self._save_and_plan(hostname)

    def refresh(self, hostname: CustomHostname, *, new_order: bool) -> None:
        """Look again at once and restart both schedules."""
        self._hostname_course.begin(hostname)
        if hostname.ssl and new_order:
            self._certificate_course.order(hostname.hostname, hostname.ssl)
        elif hostname.ssl:
            self._certificate_course.refresh(hostname.hostname, hostname.ssl)
        self._save_and_plan(hostname)

    def save(self, hostname: CustomHostname) -> None:
        """Keep a change that moves nothing."""
        self._hostnames.save(hostname)

    def remove(self, hostname: CustomHostname) -> None:
        """Let a custom hostname be gone."""
        hostname.track.stop()
        if hostname.ssl:
            hostname.ssl.track.stop()
        self._plan(hostname)
        self._hostnames.remove(hostname)

    def force_hostname(
        self, hostname: CustomHostname, status: str | None, errors: Sequence[str] | None
    ) -> None:
        """Set status or errors, whatever they are, until a refresh."""
        hostname.status = hostname.status if status is None else status
        if errors is not None:
            hostname.verification_errors = list(errors)
        hostname.track.stop(forced=True)
        self._save_and_plan(hostname)

    def force_certificate(
        self, hostname: CustomHostname, status: str | None, errors: Sequence[str] | None
    ) -> None:
        """Set the certificate's status or errors, whatever they are, until a refresh."""
        if hostname.ssl is None:
            return
        hostname.ssl.status = hostname.ssl.status if status is None else status
        if errors is not None:
            hostname.ssl.validation_errors = list(errors)
        hostname.ssl.track.stop(forced=True)
        self._save_and_plan(hostname)

    def approve(self, hostname: CustomHostname) -> None:
        """Let the owner approve the certificate by e-mail; raises NothingToDoError."""
        self._certificate_course.approve(_certificate(hostname))
        self._save_and_plan(hostname)

    def renew(self, hostname: CustomHostname) -> None:
        """Begin to renew the certificate now; raises NothingToDoError."""
        self._certificate_course.renew(hostname.hostname, _certificate(hostname))
        self._save_and_plan(hostname)

    async def _run(self, key: Key) -> None:
        course, hostname_id = key
        if key == fallback.KEY:
            self._fallback_origin.step(self.agenda)
            return
        hostname = self._hostnames.get(hostname_id)
        if hostname is None:
            return
        before = _telling(hostname)
        if course == _HOSTNAME:
            await self._hostname_course.step(hostname)
        elif hostname.ssl:
            await self._certificate_course.step(hostname, hostname.ssl)
        if self._hostnames.get(hostname_id) is not hostname:
            return
        if _telling(hostname) != before:
            self._hostnames.save(hostname)
        self._plan_course(hostname, course)

    def _save_and_plan(self, hostname: CustomHostname) -> None:
        self._hostnames.save(hostname)
        self._plan(hostname)

    def _plan(self, hostname: CustomHostname) -> None:
        self._plan_course(hostname, _HOSTNAME)
        self._plan_course(hostname, _CERTIFICATE)

    def _plan_course(self, hostname: CustomHostname, course: str) -> None:
        """Only the course that changed: the other may be running, its step not yet taken."""
        track = hostname.track if course == _HOSTNAME else hostname.ssl and hostname.ssl.track
        self.agenda.plan((course, hostname.id), track.due if track else None)


def _certificate(hostname: CustomHostname) -> Certificate:
    if hostname.ssl is None:
        raise NothingToDoError("there is no certificate")
    return hostname.ssl


def _telling(hostname: CustomHostname) -> tuple[object, ...]:
    """Return what is worth a write: all but the time of the next try.

    After a restart an older time stands there, and one look makes up for the tries since.
    """
    ssl = hostname.ssl
    return (
        hostname.status,
        tuple(hostname.verification_errors),
        hostname.has_pointed_here,
        ssl and (ssl.status, ssl.tokens, tuple(ssl.validation_errors)),
    )
