"""What operators load into Prometheus and Grafana: it is read there, and names what we export."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.test_metrics import exported

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "deploy/prometheus/nameplate.rules.yml"
RULE_TESTS = ROOT / "deploy/prometheus/nameplate.test.yml"
DASHBOARD = ROOT / "deploy/grafana/nameplate.json"

NO_PROMTOOL = "promtool is not installed: Debian's package `prometheus` has it"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason=NO_PROMTOOL)


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROMTOOL or "promtool", *arguments],
        cwd=RULES.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def named(text: str) -> set[str]:
    """Give the metrics that queries name; a histogram's series by the histogram."""
    names = set(re.findall(r"\bnameplate_[a-z_]+\b", text))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def alerts() -> list[str]:
    return re.split(r"^      - alert: ", RULES.read_text(), flags=re.MULTILINE)[1:]


def queries() -> list[str]:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return [each["expr"] for panel in dashboard["panels"] for each in panel.get("targets", [])]


@needs_promtool
def test_prometheus_reads_the_alert_rules() -> None:
    ended = promtool("check", "rules", RULES.name)
    assert ended.returncode == 0, ended.stderr


@needs_promtool
def test_each_alert_fires_when_it_should_and_not_before() -> None:
    ended = promtool("test", "rules", RULE_TESTS.name)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@needs_promtool
def test_prometheus_reads_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel_{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    ended = promtool("check", "rules", str(file))
    assert ended.returncode == 0, ended.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    names = [alert.partition("\n")[0] for alert in alerts()]
    said = RULE_TESTS.read_text()
    assert re.findall(r'alertname="(\w+)",alertstate="firing"', said) == names
    assert re.findall(r"alertname: (\w+)\}", said) == names


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.partition("\n")[0])
def test_every_alert_says_what_to_do_and_links_the_page(alert: str) -> None:
    assert re.search(r"^          action: \S", alert, re.MULTILINE)
    assert re.search(r"^          summary: \S", alert, re.MULTILINE)
    page, _, section = re.findall(r"^          runbook: (\S+)$", alert, re.MULTILINE)[0].partition(
        "#"
    )
    headings = re.findall(r"^## (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert section in {heading.lower().replace(" ", "-") for heading in headings}


def test_every_metric_of_the_alerts_and_of_the_dashboard_is_exported() -> None:
    assert named(RULES.read_text()) <= set(exported())
    assert named("\n".join(queries())) <= set(exported())


def test_the_dashboard_shows_every_metric() -> None:
    assert named("\n".join(queries())) == set(exported())


def test_continuous_integration_installs_what_these_tests_need() -> None:
    assert (
        "command -v promtool >/dev/null || missing+=(prometheus)" in (ROOT / ".ci/run").read_text()
    )
