"""The endpoints under /zones/{zone_id}/custom_hostnames.

Reads calls, changes state through the lifecycle and shows it; limits and faults are before it.
"""

import uuid

from sandbox import errors, hostname_query
from sandbox.account import Account
from sandbox.answer_forms import AnswerForms
from sandbox.call import Call
from sandbox.envelope import Reply, success
from sandbox.hostname_answers import HostnameAnswers
from sandbox.hostname_request import HostnameRequests
from sandbox.hostnames import CustomHostnames
from sandbox.lifecycle import Lifecycle
from sandbox.model import CustomHostname
from sandbox.rate_limit import RateLimits


class CustomHostnamesApi:
    """Custom hostnames and the quota of the one zone."""

    def __init__(
        self,
        hostnames: CustomHostnames,
        requests: HostnameRequests,
        lifecycle: Lifecycle,
        limits: RateLimits,
        account: Account,
        forms: AnswerForms,
        answers: HostnameAnswers,
    ) -> None:
        self._hostnames = hostnames
        self._requests = requests
        self._lifecycle = lifecycle
        self._limits = limits
        self._account = account
        self._forms = forms
        self._answers = answers

    def create(self, call: Call) -> Reply:
        """POST: take in a custom hostname and order its certificate."""
        hostname = self._requests.new(call.json())
        wait = self._limits.admit_creation()
        if wait is not None:
            raise TooManyCreationsError(wait)
        self._lifecycle.begin(hostname)
        self._limits.count_creation()
        return success(self._answers.written(hostname), status=201)

    def list(self, call: Call) -> Reply:
        """GET: find custom hostnames."""
        page = call.page(default=20, smallest=5, largest=50)
        rows, total = hostname_query.select(self._hostnames, call, page)
        shown = [self._answers.read(row) for row in rows]
        return success(shown, info=self._forms.info(page.info(len(shown), total)))

    def get(self, call: Call) -> Reply:
        """GET one."""
        if removed := self._answers.removed(call.path["custom_hostname_id"]):
            return success(removed)
        return success(self._answers.read(self._found(call)))

    def edit(self, call: Call) -> Reply:
        """PATCH: edit; empty, or with `ssl.method` and `ssl.type`, also look again at once."""
        hostname = self._found(call)
        body = call.json()
        edits = self._requests.edits(body)
        asked = self._requests.edited_ssl(hostname, body)
        for key, value in edits.items():
            setattr(hostname, key, value)
        is_new = asked is not None and hostname.ssl is None
        if asked is not None:
            hostname.ssl = hostname.ssl or self._requests.blank_certificate(
                hostname.hostname, hostname.sequence
            )
            new_order = asked.apply(hostname.ssl) or is_new
        else:
            new_order = False
        if new_order or not body or (asked and asked.method):
            self._lifecycle.refresh(hostname, new_order=new_order)
        else:
            self._lifecycle.save(hostname)
        return success(self._answers.written(hostname), status=self._forms.settings.patch_status)

    def delete(self, call: Call) -> Reply:
        """DELETE: the custom hostname and its certificates are gone at once."""
        hostname = self._found(call)
        self._answers.keep_removed(hostname)
        self._lifecycle.remove(hostname)
        return self._forms.deleted(hostname.id)

    def quota(self, _: Call) -> Reply:
        """GET how many there are and how many there may be."""
        used, allocated = len(self._hostnames), self._account.settings.quota_allocated
        return success(
            {
                "allocated": allocated,
                "used": used,
                "exceeded": used > allocated,
                "hard_cap": self._account.hard_cap(self._hostnames.seeded),
            }
        )

    def _found(self, call: Call) -> CustomHostname:
        hostname_id = call.path["custom_hostname_id"]
        hostname = self._hostnames.get(hostname_id)
        if hostname is not None:
            return hostname
        try:
            uuid.UUID(hostname_id)
        except ValueError:
            raise errors.bad_id() from None
        raise errors.not_found()


class TooManyCreationsError(Exception):
    """The limit of creations is reached."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many creations")
        self.retry_after = retry_after
