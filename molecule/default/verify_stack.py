"""Checks every row of the stack's specification against the account, with plain boto3.

Prints a line for each check; ends with 1 and a sentence for each difference when the stack is not as specified.
Region, endpoint and credentials come from the environment (AWS_REGION, AWS_ENDPOINT_URL, AWS_PROFILE, ...).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from stack_checks import compute, data, functions, identity, network, presign
from stack_checks.report import Report, Stack

_ROWS: tuple[Callable[[Report], None], ...] = (
    network.check,
    data.check_buckets,
    data.check_queues,
    data.check_registry,
    data.check_parameters,
    identity.check,
    presign.check,
    compute.check,
    functions.check_functions,
    functions.check_events,
    compute.check_image,
)


def _arguments() -> Stack:
    parser = argparse.ArgumentParser(description="Check the stack with plain boto3.")
    parser.add_argument("--project", default="tamma")
    parser.add_argument("--environment", default="dev")
    parser.add_argument("--bucket-suffix", default="")
    parser.add_argument("--nat", default="single", choices=["none", "single", "per_az"])
    parser.add_argument("--log-retention-days", type=int, default=14)
    parser.add_argument("--fresh", action="store_true", help="the stack is new: nothing may have a second version")
    return Stack(**vars(parser.parse_args()))


def main() -> int:
    """Check all rows and return the exit status."""
    stack = _arguments()
    report = Report(stack)
    try:
        print(f"{stack.prefix} in account {stack.account}, {stack.region}")
    except (ClientError, BotoCoreError) as error:
        print(f"The account cannot be read: {error}. Check AWS_PROFILE, or the embedded cloud with `make status`.")
        return 2
    for row in _ROWS:
        row(report)
    for difference in report.differences:
        print(difference, file=sys.stderr)
    print(f"{report.checks} checks, {len(report.differences)} differences")
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())
