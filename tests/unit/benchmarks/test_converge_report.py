"""Medians and ratios are what the samples say, and the page keeps everything around the results."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.converge.calls import Call
from benchmarks.converge.report import BEGIN, END, Sample, machine, medians, operations, table, write

READ, WRITE = Call("sqs", "GetQueueUrl"), Call("sqs", "CreateQueue")


def sample(wall: float, memory: float | None = 100, calls: tuple[Call, ...] = (READ,)) -> Sample:
    return Sample(wall, wall / 2, memory, calls)


def test_a_median_is_not_moved_by_one_slow_run() -> None:
    assert medians([sample(1), sample(90), sample(2)])["wall s"] == 2


def test_memory_that_one_run_could_not_measure_is_unknown() -> None:
    found = medians([sample(1), sample(1, memory=None)])
    assert found["peak MiB"] is None
    assert found["CPU s"] == 0.5


def test_ratio_is_ours_by_theirs_and_missing_where_theirs_is_zero() -> None:
    text = table({"first": {"ours": [sample(3, calls=(READ, WRITE))], "theirs": [sample(12, memory=None)]}})
    assert text.splitlines()[2:] == [
        "| first converge | ours | 3.0 | 1.5 | 100 | 1 | 1 |",
        "|  | theirs | 12.0 | 6.0 | ? | 1 | 0 |",
        "|  | **ratio** | **0.25** | **0.25** |  | **1.00** |  |",
    ]


def test_every_row_has_the_cells_of_the_head() -> None:
    rows = table({"first": {"a": [sample(1)], "b": [sample(2)]}, "silent": {"a": [sample(1)], "b": [sample(2)]}})
    assert len({line.count("|") for line in rows.splitlines()}) == 1


def test_operations_are_listed_by_frequency() -> None:
    calls = [READ, WRITE, Call("s3", "HeadBucket"), READ]
    assert operations(calls, reads=True) == "2 sqs:GetQueueUrl, 1 s3:HeadBucket"
    assert operations([READ], reads=False) == "none"


def test_machine_names_its_versions() -> None:
    assert "Terraform 1.11.4, boto3 1" in machine({"Terraform": "1.11.4", "boto3": "1"})


def test_writing_twice_replaces_the_results_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nThe end.\n")
    for text in ("first", "second"):
        write(page, text)
    assert page.read_text() == f"# Title\n\n{BEGIN}\n\nsecond\n\n{END}\n\nThe end.\n"


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n")
    with pytest.raises(ValueError, match="no place for the results"):
        write(page, "text")
    assert page.read_text() == f"{BEGIN}\n"
