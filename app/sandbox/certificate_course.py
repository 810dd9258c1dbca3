"""The course of a certificate: initializing, validation, issuance, deployment, active.

Takes one step at a time; when steps are due is on the certificate's track.
"""

from app.sandbox import backoff, identifiers
from app.sandbox.clock import DAY, Clock
from app.sandbox.model import Certificate, CustomHostname, Issued
from app.sandbox.validation import Validator

_LIFE = 90 * DAY
_TOKEN_LIFE = {"google": 14 * DAY, "lets_encrypt": 7 * DAY, "ssl_com": 14 * DAY}
_UNDER_WAY = frozenset({"initializing", "pending_issuance", "pending_deployment"})


class NothingToDoError(ValueError):
    """The certificate is at no point where this could happen to it."""


class CertificateCourse:
    """Orders certificates, looks at their proofs and draws the conclusions."""

    def __init__(self, clock: Clock, validator: Validator, waits: identifiers.Waits) -> None:
        self._clock = clock
        self._validator = validator
        self._waits = waits

    def order(self, name: str, certificate: Certificate) -> None:
        """Order a new certificate; its tokens come some seconds later."""
        certificate.orders += 1
        certificate.status = "initializing"
        certificate.tokens = ()
        certificate.validation_errors = []
        late = self._waits.tokens(name, certificate.orders)
        certificate.track.restart(self._clock.schedule() + late)

    def refresh(self, name: str, certificate: Certificate) -> None:
        """Look again at once, or order anew what had come to an end without a certificate."""
        track = certificate.track
        if track.forced:
            certificate.status = _natural_status(certificate)
            certificate.validation_errors = []
        if certificate.status == "active":
            track.stop()
        elif certificate.status == "pending_validation" and certificate.tokens:
            track.restart(self._clock.schedule())
        elif certificate.status not in _UNDER_WAY or track.due is None:
            self.order(name, certificate)

    def approve(self, certificate: Certificate) -> None:
        """Take the approval of the domain's owner by e-mail; raises NothingToDoError."""
        awaited = certificate.method == "email" and certificate.status == "pending_validation"
        if not awaited or not certificate.tokens:
            raise NothingToDoError("no e-mail waits for an approval")
        certificate.approved = True
        certificate.track.restart(self._clock.schedule())

    async def step(self, hostname: CustomHostname, certificate: Certificate) -> None:
        """Take the step that is due."""
        at = certificate.track.due
        if at is None:
            return
        if certificate.status == "initializing":
            self._give_tokens(certificate)
            certificate.status = "pending_validation"
        elif certificate.status == "pending_validation":
            await self._try(hostname.hostname, certificate, at)
        elif certificate.status == "pending_issuance":
            _, deployment = self._waits.issuance_and_deployment(
                hostname.hostname, certificate.orders
            )
            certificate.status = "pending_deployment"
            certificate.track.due = at + deployment
        else:
            self._deploy(certificate)

    async def _try(self, name: str, certificate: Certificate, at: float) -> None:
        epoch = certificate.track.epoch
        verdict = await self._validator.certificate(
            name, certificate, tries_http=_may_use_http(certificate)
        )
        if certificate.track.epoch != epoch:
            return
        certificate.validation_errors = list(verdict.errors)
        if verdict.passed:
            issuance, _ = self._waits.issuance_and_deployment(name, certificate.orders)
            certificate.status = "pending_issuance"
            certificate.tokens = ()
            certificate.track.due = at + issuance
            return
        now = self._clock.schedule()
        attempt, due = backoff.next_try(certificate.track.attempt, at, now)
        certificate.track.attempt, certificate.track.due = attempt, due
        if attempt == backoff.TRIES:
            certificate.status = "validation_timed_out"
            certificate.track.stop()
        elif now >= certificate.tokens_expire_at:
            self._give_tokens(certificate)

    def _give_tokens(self, certificate: Certificate) -> None:
        certificate.approved = False
        count = 2 if certificate.wildcard else 1
        certificate.tokens = tuple(identifiers.new_token() for _ in range(count))
        life = _TOKEN_LIFE[certificate.certificate_authority]
        certificate.tokens_expire_at = self._clock.schedule() + life

    def _deploy(self, certificate: Certificate) -> None:
        wall = self._clock.wall()
        certificate.status = "active"
        certificate.issued = Issued(wall, wall + _LIFE, identifiers.new_serial_number())
        certificate.track.stop()


def _may_use_http(certificate: Certificate) -> bool:
    return not certificate.wildcard and certificate.method != "email"


def _natural_status(certificate: Certificate) -> str:
    if certificate.issued:
        return "active"
    return "pending_validation" if certificate.tokens else "deleted"
