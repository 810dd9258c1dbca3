import re
import string
from pathlib import Path

import pytest

from app.domain.diagnosis.catalogue import Code, message
from app.domain.diagnosis.finding import Finding, Severity
from tests.domain import (
    test_diagnosis_caa,
    test_diagnosis_routing,
    test_diagnosis_servers,
    test_diagnosis_validation_records,
)
from tests.domain.builders_diagnosis import at_name, diagnosed, subject

PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"
TABLES = (
    test_diagnosis_caa.ROWS,
    test_diagnosis_routing.ROWS,
    test_diagnosis_servers.SERVERS,
    test_diagnosis_servers.SLOW,
    test_diagnosis_servers.PROXYING,
    test_diagnosis_validation_records.NEEDED,
)
PARTS = (
    test_diagnosis_validation_records.TXT,
    test_diagnosis_validation_records.TWO_TOKENS,
    test_diagnosis_validation_records.DELEGATIONS,
)


def test_the_page_lists_the_codes_with_their_severities_in_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| [^|]+ \| [^|]+ \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(str(code), str(code.severity)) for code in Code]


def test_every_code_is_found_in_a_test() -> None:
    found = {code for table in TABLES for _, _, codes in table.values() for code in codes}
    found |= {code for table in PARTS for _, codes in table.values() for code in codes}
    assert found == {str(code) for code in Code}


@pytest.mark.parametrize("code", Code)
def test_a_sentence_is_plain(code: Code) -> None:
    sentence = code.sentence
    assert str(code) == code.name.lower()
    assert "\N{EM DASH}" not in sentence
    assert not re.search(r"[0-9a-f]{8}", sentence)
    assert sentence[0].isupper() or sentence.startswith("{name}")
    assert sentence.endswith((".", "{line}"))


@pytest.mark.parametrize("code", Code)
def test_a_sentence_takes_named_parameters_alone(code: Code) -> None:
    fields = [name for _, name, _, _ in string.Formatter().parse(code.sentence) if name is not None]
    assert all(name.isidentifier() for name in fields)
    found = Finding(
        code=code.value, severity=Severity.ERROR, params=dict.fromkeys(fields, "something")
    )
    assert "something" in message(found)


def test_a_message_says_what_to_do() -> None:
    (finding,) = diagnosed(subject(), at_name())
    assert message(finding) == (
        "There is no record at www.shop.com. Add a CNAME record with the value "
        "customers.provider.net (host field: www)."
    )
