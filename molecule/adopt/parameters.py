"""Print the names of all SSM parameters of the account, one per line; region and credentials from the environment."""

from __future__ import annotations

import os

import boto3


def main() -> None:
    """Print them, sorted."""
    ssm = boto3.Session(region_name=os.environ.get("AWS_REGION")).client("ssm")
    pages = ssm.get_paginator("describe_parameters").paginate()
    print(*sorted(one["Name"] for page in pages for one in page["Parameters"]), sep="\n")


if __name__ == "__main__":
    main()
