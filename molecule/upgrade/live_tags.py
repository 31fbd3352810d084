"""Print which worker images are live, as the functions' alias and the newest task definition have it.

`live_tags.py ALIAS FAMILY FUNCTION...`; region, endpoint and credentials come from the environment.
"""

from __future__ import annotations

import os
import sys

import boto3


def main() -> None:
    """Print the tags, one per line, each once: a whole release has one."""
    alias, family, *functions = sys.argv[1:]
    session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    definition = session.client("ecs").describe_task_definition(taskDefinition=family)["taskDefinition"]
    tags = {definition["containerDefinitions"][0]["image"].rpartition(":")[2]}
    for name in functions:
        live = session.client("lambda").get_function_configuration(FunctionName=name, Qualifier=alias)
        tags.add(live["Environment"]["Variables"]["WORKER_IMAGE_TAG"])
    print(*sorted(tags), sep="\n")


if __name__ == "__main__":
    main()
