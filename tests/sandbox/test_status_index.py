import random

from sandbox.sorted_numbers import SortedNumbers
from sandbox.status_index import ANY, Statuses, StatusIndex

STATUSES: list[Statuses] = [
    (status, ssl_status)
    for status in ("pending", "active", "moved")
    for ssl_status in ("active", "pending_validation", None)
]


def test_sorted_numbers_are_a_sorted_list_under_any_changes() -> None:
    dice = random.Random(5)  # noqa: S311 - no secret
    numbers, naive = SortedNumbers(range(0, 9000, 3)), set(range(0, 9000, 3))
    for _ in range(300):
        size = dice.choice([1, 1, 1, 5, 80, 700])
        if dice.random() < 0.5:
            new = sorted({dice.randrange(20_000) for _ in range(size)} - naive)
            numbers.add(new)
            naive.update(new)
        else:
            old = sorted(dice.sample(sorted(naive), min(size, len(naive))))
            numbers.discard(old)
            naive.difference_update(old)
        start = dice.randrange(len(naive) + 5)
        assert numbers.cut(start, start + 50) == sorted(naive)[start : start + 50]
        assert len(numbers) == len(naive)
    assert list(numbers) == sorted(naive)


def test_sorted_numbers_can_be_emptied_and_filled_again() -> None:
    numbers = SortedNumbers([1])
    numbers.discard([1])
    assert (len(numbers), numbers.cut(0, 5)) == (0, [])
    numbers.add([7])
    assert numbers.cut(0, 5) == [7]


def naive_filter(
    rows: dict[int, Statuses], status: str | None, ssl_status: str | None
) -> list[int]:
    return [
        number
        for number, statuses in sorted(rows.items())
        if status in (None, statuses[0]) and ssl_status in (None, statuses[1])
    ]


def test_the_index_finds_what_a_filter_of_all_rows_finds() -> None:
    dice = random.Random(11)  # noqa: S311 - no secret
    index, rows = StatusIndex(), dict[int, Statuses]()
    for _ in range(400):
        change = dice.random()
        if change < 0.1:
            start, seeded = dice.randrange(5000), dice.choice(STATUSES)
            numbers = [number for number in range(start, start + 300) if number not in rows]
            index.move(numbers, lambda _, to=seeded: to)  # type: ignore[misc]
            rows.update(dict.fromkeys(numbers, seeded))
        elif change < 0.2 and rows:
            gone = sorted(dice.sample(sorted(rows), min(150, len(rows))))
            index.forget(gone)
            for number in gone:
                del rows[number]
        else:
            number, statuses = dice.randrange(6000), dice.choice(STATUSES)
            index.place(number, statuses)
            rows[number] = statuses
        status, ssl_status = dice.choice([None, "active"]), dice.choice([None, "active"])
        found = index.of(status or ANY, ssl_status or ANY)
        expected = naive_filter(rows, status, ssl_status)
        assert list(found) == expected
        assert found.cut(20, 40) == expected[20:40]
        assert len(index) == len(rows)
    for number in range(6000):
        assert index.statuses(number) == rows.get(number)
    by_ssl_status = [number for group in index.by_ssl_status(ANY) for number in group]
    assert by_ssl_status == sorted(rows, key=lambda number: (rows[number][1] or "", number))
