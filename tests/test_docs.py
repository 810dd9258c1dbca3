"""What the documents say is what the code does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from app.domain.custom_hostname import State
from app.domain.errors import ErrorCode
from app.domain.reason import Reason, WaitingOn
from app.domain.zone import PauseReason
from app.main import new_app
from app.persistence.tables import metadata
from app.settings import PREFIX, Settings
from app.web.errors import OTHER_CODE, STATUSES
from tests.domain.test_decide_sequences import LEGAL, REFRESHED_PROOF
from tests.lock_files import LockFault, check, read_pins

ROOT = Path(__file__).resolve().parents[1]
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PARTS = ["Context", "Decision", "Consequences", "Alternatives", "Enforced by"]
MOST_LINES = 40


def read(name: str) -> str:
    return (ROOT / name).read_text()


def rows(name: str, heading: str) -> list[list[str]]:
    """Give the cells of the first table that begins with the column `heading`."""
    table = re.search(rf"^\| {heading} \|.*\n\|[ -|]*\n((?:\|.*\n)+)", read(name), re.MULTILINE)
    assert table is not None, heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s#]+)[^)]*\)", document.read_text()):
        if not link.startswith(("http://", "https://")):
            assert (document.parent / link).exists(), link


def test_every_document_is_reached_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    while grown := {file for document in reached for file in _linked(document)} - reached:
        reached |= grown
    assert {path for path in DOCUMENTS if path.parent != ROOT / "docs/decisions"} <= reached


def _linked(document: Path) -> Iterator[Path]:
    for link in re.findall(r"\]\(([^)\s#]+\.md)\)", document.read_text()):
        if "://" not in link:
            yield (document.parent / link).resolve()


def test_the_deliveries_of_the_readme_are_printed_where_there_are_events_of_zones() -> None:
    snippet = re.search(r"/deliveries \| python3 -c '\n(.+?)' \|", read("README.md"), re.DOTALL)
    assert snippet is not None
    subjects = ({"custom_hostname": {"hostname": "a.shop.com"}}, {"zone": {"id": "zone_1"}})
    sent = [{"verified": True, "body": {"type": "some.type", "data": data}} for data in subjects]
    ended = subprocess.run(
        [sys.executable, "-c", snippet[1]],
        input=json.dumps(sent),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "verified some.type a.shop.com\nverified some.type zone_1\n"


def test_the_reasons_are_those_of_the_code() -> None:
    said = [(codes(row[0])[0], row[1]) for row in rows("docs/states.md", "reason")]
    assert said == [(str(reason), str(reason.waiting_on)) for reason in Reason]


def test_operations_says_what_to_do_for_every_reason_that_waits_on_the_operator() -> None:
    said = {codes(row[0])[0] for row in rows("docs/operations.md", "reason")}
    assert said == {reason for reason in Reason if reason.waiting_on is WaitingOn.OPERATOR}


def test_operations_says_what_to_do_for_every_pause() -> None:
    said = [codes(row[0])[0] for row in rows("docs/operations.md", "pause")]
    assert sorted(said) == sorted(PauseReason)


def test_the_problems_are_those_of_the_code() -> None:
    said = {codes(row[0])[0]: row[1] for row in rows("docs/problems.md", "code")}
    known = {str(code): str(int(status)) for code, status in STATUSES.items()}
    assert said == known | {str(OTHER_CODE): "any"}
    assert set(said) == set(ErrorCode)


def test_every_problem_code_is_used() -> None:
    source = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    used = Counter(re.findall(r"ErrorCode\.(\w+)", source))
    # Each has its status in one table, which is no use of it.
    assert [code.name for code in ErrorCode if used[code.name] < 1 + (code in STATUSES)] == []


def test_the_states_are_those_of_the_code() -> None:
    said = [codes(row[0])[0] for row in rows("docs/states.md", "state")]
    assert said == [str(state) for state in State]


def test_the_picture_of_the_states_has_the_legal_steps_and_no_others() -> None:
    steps = re.findall(r"^    (\w+) --> (\w+): ", read("README.md"), re.MULTILINE)
    legal = {*LEGAL, REFRESHED_PROOF}
    assert sorted(steps) == sorted((str(before), str(after)) for before, after in legal)


def test_the_settings_are_those_of_the_code() -> None:
    table = rows("docs/operations.md", "variable")
    assert [codes(row[0])[0] for row in table] == [
        PREFIX + name.upper() for name in Settings.model_fields
    ]
    for row, field in zip(table, Settings.model_fields.values(), strict=True):
        if field.is_required():
            assert row[1] == "required", row
        elif field.default in (None, ()):
            assert row[1] == "none", row
        else:
            said = TypeAdapter[object](field.rebuild_annotation()).validate_python(codes(row[1])[0])
            assert said == field.default, row


def test_the_routes_of_the_readme_are_those_of_the_code() -> None:
    served = {
        f"{method.upper()} {path}"
        for path, operations in new_app().openapi()["paths"].items()
        for method in operations
    }
    assert {codes(row[0])[0] for row in rows("README.md", "route")} == served


def test_the_layers_of_the_architecture_are_the_contracts() -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = [re.findall(r"\w+", layer) for layer in contracts[0]["layers"]]
    assert [codes(row[0]) for row in rows("docs/architecture.md", "layer")] == layers


def test_the_tables_of_the_architecture_are_those_of_the_code() -> None:
    said = [name for row in rows("docs/architecture.md", "table") for name in codes(row[0])]
    assert sorted(said) == sorted(metadata.tables)


def test_every_file_to_open_exists() -> None:
    table = rows("docs/architecture.md", "to change")
    assert table
    for what, files, names in table:
        paths = [ROOT / path for path in codes(files)]
        assert paths, what
        assert all(path.exists() for path in paths), what
        texts = [path.read_text() for path in paths if path.is_file()]
        for name in codes(names):
            assert any(re.search(rf"\b{name}\b", text) for text in texts), (what, name)


def test_every_log_event_is_explained() -> None:
    logged = {
        event
        for file in (ROOT / "app").rglob("*.py")
        for event in re.findall(
            r'\blog\.(?:debug|info|warning|error|exception)\(\s*"(\w+)"', file.read_text()
        )
    }
    assert {codes(row[0])[0] for row in rows("docs/operations.md", "event")} == logged


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_is_named_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", read("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", read(name), re.MULTILINE))
    assert named
    assert named <= targets


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    assert re.search(r"^make test\b", read("README.md"), re.MULTILINE)
    assert read(".ci/run").splitlines()[-1].startswith("make test ")


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]
    assert numbers == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_parts_on_forty_lines(decision: Path) -> None:
    lines = decision.read_text().splitlines()
    assert len(lines) <= MOST_LINES
    assert lines[0].startswith(f"# {int(decision.name[:4])}. ")
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == PARTS


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_the_files_a_decision_names_exist(decision: Path) -> None:
    for name in re.findall(r"`((?:app|tests|requirements)/[\w./]+)`", decision.read_text()):
        assert (ROOT / name).exists(), name


def test_the_lock_files_hold() -> None:
    assert "all pinned by hash" in check(ROOT)


@pytest.mark.parametrize(
    ("run", "dev", "fault"),
    [
        ({"a": 1}, {"a": 1, "b": 1}, None),
        ({"a": 1}, {"a": 2, "b": 1}, "run.txt pins a 1, dev.txt 2"),
        ({"a": 1}, {"b": 1}, "dev.txt not at all"),
        ({"c": 1}, {"b": 1, "c": 1}, "run.txt lacks A"),
        ({"a": 2}, {"a": 2, "b": 1}, "outside of A<2"),
        ({"a": 1}, {"a": 1}, "dev.txt lacks b"),
    ],
)
def test_lock_files_that_do_not_fit_are_refused(
    tmp_path: Path, run: dict[str, int], dev: dict[str, int], fault: str | None
) -> None:
    (tmp_path / "requirements").mkdir()
    for name, pins in (("run", run), ("dev", dev)):
        text = "".join(f"{each}=={version} --hash=sha256:0\n" for each, version in pins.items())
        (tmp_path / f"requirements/{name}.txt").write_text(text)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["A<2"]\noptional-dependencies.dev = ["nameplate[x]", "b"]\n'
    )
    if fault is None:
        assert check(tmp_path) == "1 packages to run, 2 to develop, all pinned by hash"
    else:
        with pytest.raises(LockFault, match=fault):
            check(tmp_path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("--index-url https://index.internal/simple\na==1 --hash=sha256:0\n", "names an index"),
        ("a==1\n", "no hash for a"),
        ("a>=1 --hash=sha256:0\n", "pins no version"),
        ("# nothing\n", "is empty"),
    ],
)
def test_a_lock_file_with_a_fault_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "run.txt"
    path.write_text(text)
    with pytest.raises(LockFault, match=fault):
        read_pins(path)
