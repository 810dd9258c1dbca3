"""The course of a certificate: initializing, validation, issuance, deployment, active, renewal.

Takes one step at a time; when steps are due is on the certificate's track.
"""

import math

from sandbox import backoff
from sandbox.answer_forms import AnswerForms
from sandbox.clock import DAY, Clock
from sandbox.hostname_course import LIVE
from sandbox.identifiers import Identifiers, Waits
from sandbox.model import Certificate, CustomHostname, Issued
from sandbox.validation import Validator

_LIFE = 90 * DAY
_RENEWED_BEFORE_END = 30 * DAY
_TOKEN_LIFE = {"google": 14 * DAY, "lets_encrypt": 7 * DAY, "ssl_com": 14 * DAY}
_UNDER_WAY = frozenset({"initializing", "pending_issuance", "pending_deployment"})


class NothingToDoError(ValueError):
    """The certificate is at no point where this could happen to it."""


class CertificateCourse:
    """Orders certificates, looks at their proofs and draws the conclusions."""

    def __init__(
        self,
        clock: Clock,
        validator: Validator,
        waits: Waits,
        identifiers: Identifiers,
        forms: AnswerForms,
    ) -> None:
        self._clock = clock
        self._validator = validator
        self._waits = waits
        self._identifiers = identifiers
        self._forms = forms

    def order(self, name: str, certificate: Certificate) -> None:
        """Order a new certificate; its tokens come some seconds later."""
        certificate.orders += 1
        if certificate.status == "expired":
            certificate.issued = None
        certificate.status, certificate.renewing = "initializing", False
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
            _rest(certificate)
        elif certificate.status == "pending_validation" and certificate.tokens:
            track.restart(self._clock.schedule())
        elif certificate.status not in _UNDER_WAY or track.due is None:
            self.order(name, certificate)

    def renew(self, name: str, certificate: Certificate) -> None:
        """Begin a renewal now; raises NothingToDoError."""
        if certificate.issued is None or certificate.status == "expired":
            raise NothingToDoError("no certificate serves that could be renewed")
        self._begin_renewal(name, certificate, self._clock.schedule())

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
            self._give_tokens(certificate, at)
            certificate.status = "pending_validation"
        elif certificate.status == "pending_validation":
            await self._try(hostname, certificate, at)
        elif certificate.status == "pending_issuance":
            _, deployment = self._waits.issuance_and_deployment(
                hostname.hostname, certificate.orders, certificate.certificate_authority
            )
            certificate.status = "pending_deployment"
            certificate.track.due = at + deployment
        elif certificate.status == "pending_deployment":
            self._deploy(certificate, at)
        else:
            self._begin_renewal(hostname.hostname, certificate, at)

    async def _try(self, hostname: CustomHostname, certificate: Certificate, at: float) -> None:
        if at >= certificate.tokens_expire_at:
            self._give_tokens(certificate, at)
        name, epoch, now = hostname.hostname, certificate.track.epoch, self._clock.schedule()
        verdict = await self._validator.certificate(
            name, certificate, tries_http=_may_use_http(hostname, certificate)
        )
        if certificate.track.epoch != epoch:
            return
        certificate.validation_errors = list(verdict.errors)
        if not verdict.passed:
            self._wait(certificate, at, now)
            return
        issuance, _ = self._waits.issuance_and_deployment(
            name, certificate.orders, certificate.certificate_authority
        )
        certificate.status = "pending_issuance"
        certificate.tokens = ()
        certificate.track.due = at + issuance

    def _wait(self, certificate: Certificate, at: float, now: float) -> None:
        """Plan the next look, or draw the conclusion from the last, which was made `now`."""
        track = certificate.track
        tries = math.inf if certificate.renewing else backoff.TRIES
        attempt, due = backoff.next_try(track.attempt, at, now, tries=tries)
        end = certificate.issued and certificate.renewing and certificate.issued.ends_at
        track.attempt, track.due = attempt, min(due, end) if end else due
        if attempt == tries:
            certificate.status = "validation_timed_out"
            track.stop()
        elif end and now >= end:
            certificate.status, certificate.tokens, certificate.renewing = "expired", (), False
            track.stop()
        elif now >= certificate.tokens_expire_at or self._replaces_tokens(certificate):
            self._give_tokens(certificate, now)

    def _replaces_tokens(self, certificate: Certificate) -> bool:
        """Say whether each failed try brings new tokens: those served over HTTP only."""
        replaced = self._forms.settings.http_tokens_on_retry == "replaced"
        return replaced and certificate.method == "http"

    def _give_tokens(self, certificate: Certificate, at: float) -> None:
        certificate.approved = False
        count = 2 if certificate.wildcard else self._forms.settings.plain_name_tokens
        certificate.tokens = tuple(self._identifiers.token() for _ in range(count))
        certificate.tokens_expire_at = at + _TOKEN_LIFE[certificate.certificate_authority]

    def _deploy(self, certificate: Certificate, at: float) -> None:
        wall = self._clock.wall_at(at)
        serial_number = self._identifiers.serial_number()
        certificate.status = "active"
        certificate.issued = Issued(wall, wall + _LIFE, serial_number, ends_at=at + _LIFE)
        _rest(certificate)

    def _begin_renewal(self, name: str, certificate: Certificate, at: float) -> None:
        """Order the next certificate; the one before serves until its end.

        Its tokens are there at once, the first look at them comes some seconds later.
        """
        certificate.orders += 1
        certificate.renewing = True
        certificate.validation_errors = []
        certificate.status = "pending_validation"
        self._give_tokens(certificate, at)
        certificate.track.restart(at + self._waits.tokens(name, certificate.orders))


def _rest(certificate: Certificate) -> None:
    """Do nothing until the certificate has to be renewed."""
    certificate.renewing = False
    ends_at = certificate.issued and certificate.issued.ends_at
    if ends_at:
        certificate.track.restart(ends_at - _RENEWED_BEFORE_END)
    else:
        certificate.track.stop()


def _may_use_http(hostname: CustomHostname, certificate: Certificate) -> bool:
    """Say whether the token is looked for where Cloudflare itself serves it.

    A renewal may use it whatever the method, but only while the hostname is live.
    """
    if certificate.wildcard:
        return False
    return hostname.status in LIVE if certificate.renewing else certificate.method != "email"


def _natural_status(certificate: Certificate) -> str:
    if certificate.renewing and certificate.tokens:
        return "pending_validation"
    if certificate.issued:
        return "active"
    return "pending_validation" if certificate.tokens else "deleted"
