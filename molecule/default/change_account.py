"""Change the account of the running embedded cloud: `change_account.py others | used_stack | old_stack`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from tamma_local.cloud import Cloud, running_cloud
from tamma_local.layout import Layout

from tests.conftest import aws_client
from tests.e2e import old_stack, used_stack


@dataclass
class _Account:
    cloud: Cloud

    def aws(self, service: str) -> Any:
        return aws_client(self.cloud, service)


def main() -> int:
    """Do what is asked for, and return the exit status."""
    cloud = running_cloud(Layout.from_environment())
    if cloud is None:
        print("No embedded cloud is running: start one with `molecule create`.", file=sys.stderr)
        return 1
    match sys.argv[1:]:
        case ["others"]:
            used_stack.live_with_others(_Account(cloud))
        case ["used_stack"]:
            used_stack.use(_Account(cloud))
            used_stack.leave_jobs(_Account(cloud))
        case ["old_stack"]:
            old_stack.make(_Account(cloud), fifo=False)
        case _:
            print(f"Usage: {sys.argv[0]} others | used_stack | old_stack", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
