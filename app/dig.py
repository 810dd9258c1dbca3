"""`nameplate dig`: what DNS says of one name, and what is wrong with it, on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import typer

from app.domain.diagnosis.diagnosis_document import (
    represent_findings,
    represent_provider,
    represent_survey,
)
from app.domain.diagnosis.survey import Lookup, Outcome
from app.services.diagnosis import Diagnosis

COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def as_json(found: Diagnosis) -> str:
    """Give everything as one JSON document."""
    survey, provider = found.survey, found.subject.provider
    shown: dict[str, Any] = {
        "hostname": found.subject.hostname.name,
        "dns": represent_survey(survey),
        "data": represent_findings(found.findings, survey, provider),
        "provider": represent_provider(provider),
    }
    return json.dumps(shown, indent=2)


def as_lines(found: Diagnosis) -> Iterator[str]:
    """Give everything for people to read, in colours that a pipe takes out."""
    survey, provider = found.survey, found.subject.provider
    by = f", by {provider.name}" if provider else ""
    yield typer.style(found.subject.hostname.name, bold=True)
    yield f"  zone          {survey.zone or 'not found'}{by}"
    yield f"  name servers  {', '.join(survey.name_servers) or 'none'}"
    for lookup in (survey.cname, survey.a, survey.aaaa):
        yield f"  {lookup.type:<12}  {_said(lookup)}"
    for view in survey.servers:
        kind = "authoritative" if view.is_authoritative else "resolver"
        yield f"  asked         {view.server} ({kind}): {_way(view.a)}"
    for record in survey.records.values():
        yield f"  {record.wanted.type:<12}  {record.wanted.name}: {_said(record.wanted)}"
    for step in survey.caa:
        yield f"  CAA           {step.lookup.name}: {_said(step.lookup)}"
    yield f"  DNSSEC        {str(survey.dnssec).replace('_', ' ')}"
    if not found.findings:
        yield typer.style("Nothing is wrong.", fg="green")
    for shown in represent_findings(found.findings, survey, provider):
        label = typer.style(f"{shown['severity']} {shown['code']}", fg=COLOURS[shown["severity"]])
        yield f"{label}: {shown['message']}"
        if shown["record"] is not None:
            change = shown["record"]
            yield (
                f"  {change['change']} {change['type']}  host {shown['host'] or '(empty)'}  "
                f"value {shown['value']}"
            )


def _way(lookup: Lookup) -> str:
    return " -> ".join([*lookup.chain, _said(lookup)])


def _said(lookup: Lookup) -> str:
    match lookup.outcome:
        case Outcome.FOUND:
            ttl = "" if lookup.ttl is None else f"  (TTL {lookup.ttl} s)"
            return ", ".join(lookup.values) + ttl
        case Outcome.NO_DATA:
            return "none"
        case Outcome.NO_NAME:
            return "no such name"
        case Outcome.UNKNOWN:
            return f"no usable answer ({lookup.why})"
        case Outcome.NOT_ASKED:
            return "not asked"
