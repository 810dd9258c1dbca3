"""The Domain Connect templates that are shipped: of the specification's form, with our variables.

The rules are those of the specification's section "Template Definition"
(draft-ietf-dconn-domainconnect-05).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app.domain.diagnosis.domain_connect import Service

FILES = sorted((Path(__file__).resolve().parents[1] / "deploy/domain-connect").glob("*.json"))
TEMPLATES: list[dict[str, Any]] = [json.loads(file.read_text()) for file in FILES]
IDENTIFIER = re.compile(r"[A-Za-z0-9._-]{1,63}")
VARIABLE = re.compile(r"%([A-Za-z0-9_-]+)%")
REQUIRED = {"CNAME": {"host", "pointsTo", "ttl"}, "TXT": {"host", "data", "ttl"}}
OPTIONAL = {
    "CNAME": {"groupId", "essential"},
    "TXT": {"groupId", "essential", "txtConflictMatchingMode"},
}
WITHOUT_VARIABLES = ("type", "host", "ttl", "groupId", "essential", "txtConflictMatchingMode")
each_template = pytest.mark.parametrize(
    ("file", "template"),
    list(zip(FILES, TEMPLATES, strict=True)),
    ids=[file.stem for file in FILES],
)


def test_there_is_a_template_for_each_service() -> None:
    assert {template["serviceId"] for template in TEMPLATES} == set(Service)


@each_template
def test_a_file_is_named_by_both_ids(file: Path, template: dict[str, Any]) -> None:
    assert file.name == f"{template['providerId']}.{template['serviceId']}.json"
    assert IDENTIFIER.fullmatch(template["providerId"])
    assert IDENTIFIER.fullmatch(template["serviceId"])


@each_template
def test_a_template_has_the_required_fields_and_is_signed(
    file: Path, template: dict[str, Any]
) -> None:
    assert file.exists()
    for name in ("providerName", "serviceName"):
        assert 0 < len(template[name]) <= 255
    assert isinstance(template["version"], int)
    assert template["version"] > 0
    assert template["logoUrl"].startswith("https://")
    assert template["syncPubKeyDomain"]
    assert template["syncRedirectDomain"]
    assert template["syncBlock"] is False
    assert template["hostRequired"] is (template["serviceId"] == Service.ROUTING)
    assert not {"shared", "warnPhishing"} & set(template)


@each_template
def test_a_record_has_the_fields_of_its_type(file: Path, template: dict[str, Any]) -> None:
    assert template["records"], file
    for record in template["records"]:
        fields = set(record) - {"type"}
        assert REQUIRED[record["type"]] <= fields
        assert fields <= REQUIRED[record["type"]] | OPTIONAL[record["type"]]
        assert isinstance(record["ttl"], int)
        assert record["essential"] in {"Always", "OnApply"}
        assert record.get("txtConflictMatchingMode", "None") in {"None", "All"}
        assert not any("%" in str(record.get(name, "")) for name in WITHOUT_VARIABLES)


@each_template
def test_the_variables_are_those_that_the_links_pass(file: Path, template: dict[str, Any]) -> None:
    service = Service(template["serviceId"])
    used = [VARIABLE.findall(json.dumps(record)) for record in template["records"]]
    # A link with some of the variables names the groups of these.
    assert used == [[record["groupId"]] for record in template["records"]], file
    assert {name for names in used for name in names} == service.variables
    assert all(name in template["variableDescription"] for name in service.variables)
