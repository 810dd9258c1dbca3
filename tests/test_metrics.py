"""The metrics: their names are the documented ones, and no label holds what a caller chose."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import REGISTRY

from app.metrics import PREFIX, Pool, exposition, shown_pools
from tests.test_docs import codes, rows

ROOT = Path(__file__).resolve().parents[1]
LABELS = {
    "budget",
    "from",
    "lane",
    "le",
    "list",
    "loop",
    "method",
    "outcome",
    "pool",
    "reason",
    "route",
    "side",
    "state",
    "status",
    "table",
    "to",
}


def exported() -> dict[str, str]:
    """Give every metric's name, as it is queried, and its help."""
    own = [metric for metric in REGISTRY.collect() if metric.name.startswith(PREFIX)]
    return {
        f"{each.name}_total" if each.type == "counter" else each.name: each.documentation
        for each in own
    }


def test_the_documented_metrics_are_those_of_the_code() -> None:
    said = [codes(row[0])[0] for row in rows("docs/operations.md", "metric")]
    assert sorted(said) == sorted(exported())


def test_the_documented_labels_are_those_of_the_code() -> None:
    said = {codes(row[0])[0]: set(codes(row[1])) for row in rows("docs/operations.md", "metric")}
    for collector in list(REGISTRY._collector_to_names):
        names = getattr(collector, "_labelnames", None)
        name = getattr(collector, "_name", "")
        if names is not None and name.startswith(PREFIX):
            assert said.get(f"{name}_total", said.get(name)) == set(names), name


def test_every_name_ends_in_its_unit_or_in_what_it_counts() -> None:
    units = ("_total", "_seconds", "_calls", "_hostnames", "_connections", "_paused", "_tasks")
    assert [name for name in exported() if not name.endswith(units)] == []


def test_no_label_can_name_a_hostname_a_tenant_or_an_id() -> None:
    for collector in list(REGISTRY._collector_to_names):
        if getattr(collector, "_name", "").startswith(PREFIX):
            assert set(getattr(collector, "_labelnames", ())) <= LABELS


def test_what_is_measured_in_the_database_says_so() -> None:
    measured = {
        "nameplate_hostnames",
        "nameplate_dangling_hostnames",
        "nameplate_zones_paused",
        "nameplate_budget_spent_calls",
        "nameplate_budget_left_calls",
        "nameplate_budget_limit_calls",
        "nameplate_queue_length_hostnames",
        "nameplate_check_lag_seconds",
        "nameplate_delivery_lag_seconds",
    }
    assert {name for name, text in exported().items() if "Measured in the" in text} == measured


def test_pools_of_one_name_are_added_up_while_they_are_open() -> None:
    two = Pool("of_this_test", lambda: 2, lambda: 1, 4)
    with shown_pools(two, two):
        text = exposition("")[0].decode()
    used = 'nameplate_database_pool_connections{pool="of_this_test",state="in_use"} 4.0'
    assert used in text
    assert 'nameplate_database_pool_limit_connections{pool="of_this_test"} 8.0' in text
    assert "of_this_test" not in exposition("")[0].decode()
