"""The JSON of a diagnosis, as the API and the command line show it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.domain.diagnosis.catalogue import message
from app.domain.diagnosis.finding import Finding, RecordChange
from app.domain.diagnosis.names import host_field
from app.domain.diagnosis.provider import Provider
from app.domain.diagnosis.survey import DnsSurvey


def represent_finding(
    finding: Finding, *, zone: str | None, provider: Provider | None, looked_at: datetime
) -> dict[str, Any]:
    """One finding: what is wrong, and what to enter in the provider's form."""
    change = finding.change
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "message": message(finding),
        "params": dict(finding.params),
        "record": _change(change) if change else None,
        "host": host_field(change.name, zone or "", provider) if change else None,
        "value": change.value if change else None,
        "looked_at": looked_at.isoformat(),
    }


def represent_findings(
    findings: Sequence[Finding], survey: DnsSurvey, provider: Provider | None
) -> list[dict[str, Any]]:
    """All findings of one diagnosis, in their order."""
    return [
        represent_finding(each, zone=survey.zone, provider=provider, looked_at=survey.looked_at)
        for each in findings
    ]


def represent_provider(provider: Provider | None) -> dict[str, Any] | None:
    """The tenant's DNS provider."""
    if provider is None:
        return None
    return {
        "id": provider.id,
        "name": provider.name,
        "dns_page": provider.dns_page,
        "flattens_apex": provider.flattens_apex,
        "apex_record": provider.apex_record,
        "appends_domain": provider.appends_domain,
        "steps": list(provider.steps),
    }


def represent_survey(survey: DnsSurvey) -> dict[str, Any]:
    """What stands in DNS now."""
    return {
        "zone": survey.zone,
        "name_servers": list(survey.name_servers),
        "cname": next(iter(survey.cname.values), None),
        "addresses": sorted({*survey.a.values, *survey.aaaa.values}),
        "caa": [
            {"name": step.lookup.end, "records": list(step.lookup.values)}
            for step in survey.caa
            if step.lookup.values
        ],
        "dnssec": str(survey.dnssec),
    }


def _change(change: RecordChange) -> dict[str, Any]:
    return {"change": str(change.change), "type": change.type, "name": change.name}
