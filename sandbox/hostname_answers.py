"""What answers show of custom hostnames: the state, in the form that was chosen, odd or not."""

from typing import Any

from sandbox import views
from sandbox.answer_forms import AnswerForms
from sandbox.model import CustomHostname
from sandbox.odd_answers import OddAnswers
from sandbox.removed_hostnames import RemovedHostnames


class HostnameAnswers:
    """Shows custom hostnames to Cloudflare's clients."""

    def __init__(self, forms: AnswerForms, odd: OddAnswers, removed: RemovedHostnames) -> None:
        self._forms = forms
        self._odd = odd
        self._removed = removed

    def read(self, hostname: CustomHostname) -> Any:
        """Return what GET and lists show: not always an object, where it was made odd."""
        return self._odd.applied(hostname.id, self._shown(hostname))

    def written(self, hostname: CustomHostname) -> dict[str, Any]:
        """Return what POST and PATCH show."""
        return self._forms.written(self._shown(hostname))

    def keep_removed(self, hostname: CustomHostname) -> None:
        """Let a hostname that is being removed be readable for a time, if so chosen."""
        settings = self._forms.settings
        if status := settings.readable_after_delete:
            self._removed.keep(self._shown(hostname), status, settings.readable_seconds)

    def removed(self, hostname_id: str) -> dict[str, Any] | None:
        """Return what GET shows of a removed hostname."""
        return self._removed.get(hostname_id)

    def _shown(self, hostname: CustomHostname) -> dict[str, Any]:
        return views.custom_hostname(
            hostname, ownership_when_live=self._forms.settings.ownership_after_activation
        )
