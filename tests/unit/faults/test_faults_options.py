"""What `make faults` may be asked for."""

from __future__ import annotations

import pytest

from tests.faults import options

NAMES = ["none", "kills", "spot"]


def test_empty_values_are_the_defaults() -> None:
    asked = options.read(["--seed", "", "--jobs", "", "--only", "", "--scale", "", "--keep", ""], NAMES)
    assert asked == options.Options(1, 1000, ("none", "kills", "spot"), 0.1, small=False, keep=False)
    assert asked.minutes(5) == 30


def test_a_part_is_run_in_the_order_of_the_table() -> None:
    asked = options.read(["--seed", "7", "--jobs", "200", "--only", "spot, none", "--keep", "1"], NAMES)
    assert (asked.seed, asked.jobs, asked.only, asked.keep) == (7, 200, ("none", "spot"), True)


def test_a_small_run_has_few_jobs_and_short_outages() -> None:
    asked = options.read(["--small"], NAMES)
    assert asked.jobs < 50
    assert asked.minutes(5) < 30
    assert asked.seconds(120) == 12


def test_a_small_run_leaves_out_extras_unless_they_are_named() -> None:
    assert options.read(["--small"], NAMES, ["kills"]).only == ("none", "spot")
    assert options.read(["--small", "--only", "kills"], NAMES, ["kills"]).only == ("kills",)
    assert options.read([], NAMES, ["kills"]).only == ("none", "kills", "spot")


@pytest.mark.parametrize(("arguments", "words"), [
    (["--only", "sport"], "sport. Choose from none, kills, spot."),
    (["--jobs", "-3"], "JOBS is '-3', and must be a whole number from 10"),
    (["--jobs", "9"], "from 10"),
    (["--jobs", "many"], "JOBS is 'many'"),
    (["--seed", "1.5"], "SEED is '1.5'"),
    (["--scale", "0"], "SCALE is '0', and must be a number from 0.05 to 1."),
    (["--scale", "nan"], "from 0.05 to 1"),
    (["--sede", "1"], "choose from SEED, JOBS, ONLY, SCALE and KEEP"),
])  # fmt: skip
def test_senseless_requests_end_in_a_sentence(arguments: list[str], words: str) -> None:
    with pytest.raises(options.OptionsError) as caught:
        options.read(arguments, NAMES)
    assert words in str(caught.value)
