"""The handler of trigger-audio-clean: messages of the jobs queue in, ECS tasks out.

A record ends in one of three ways: acknowledged, set aside in the dead-letter queue with its reason (and acknowledged),
or returned, which lets the later records of its message group, and only these, be returned as well.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from counting import publish
from dispatching import Dispatcher, TryAgainError
from edge import client, read_secrets
from groups import Groups
from job_message import MalformedMessageError, parse
from job_store import JobStore, StoreRefusedError
from network import find_network
from pacing import TokenBucket
from patience import group_of, receives, waits_by_receipt
from planning import read_assign_public_ip, read_pipelines, worker_environment
from queues import Queues
from reasons import Reason
from settings import Settings, rate, structure, text
from task_runner import TaskRunner

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Seconds that one record may need at worst (two answers of Supabase, one of ECS); with less left it is returned.
NEEDED_TIME = 15

logger = Logger()


@dataclass(frozen=True)
class Services:
    """What a sandbox looks up once and then keeps."""

    dispatcher: Dispatcher
    queues: Queues
    settings: Settings
    groups: Groups = field(default_factory=Groups)


@functools.cache
def services() -> Services:
    """Look up ids and secrets. Raises SettingsError, MissingParameterError or NetworkError in words; not kept then."""
    settings = Settings.read(os.environ)
    pipelines = read_pipelines(os.environ)
    pace = TokenBucket(rate(os.environ, "RUN_TASK_RATE") / settings.time_scale.factor)
    subnets = structure(os.environ, "SUBNET_NAMES", list)
    security_group = text(os.environ, "SECURITY_GROUP_NAME")
    assign_public_ip = read_assign_public_ip(os.environ)
    with ThreadPoolExecutor(1) as meanwhile:
        secrets = meanwhile.submit(read_secrets, client("ssm"), settings)
        network = find_network(client("ec2"), subnets, security_group, assign_public_ip)
        dispatcher = Dispatcher(
            store=JobStore(
                *secrets.result(), settings.time_scale, renew_key=lambda: read_secrets(client("ssm"), settings)[1]
            ),
            runner=TaskRunner(client("ecs"), pace),
            cluster=settings.cluster,
            pipelines=pipelines,
            network=network,
            start_lease_seconds=settings.time_scale.seconds(settings.start_lease_seconds),
            worker_environment=worker_environment(settings),
            logger=logger,
        )
    return Services(dispatcher, Queues(client("sqs"), settings), settings)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Dispatch a batch; returns Lambda's partial batch response."""
    return dispatch_batch(services(), event, context)


def dispatch_batch(parts: Services, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Dispatch the message groups at the same time, and let returned records wait longer each time."""
    counts: list[str] = []  # appended to by all threads, which a list allows
    take = functools.partial(_dispatch_record, parts, context, counts)
    returned = parts.groups.take(event["Records"], take)
    problem = parts.queues.put_off(parts.settings.jobs_queue, waits_by_receipt(returned, parts.settings.time_scale))
    if problem:
        logger.warning("Returned messages wait for the queue's visibility timeout instead: %s", problem)
    behind = len(event["Records"]) - len(counts)
    publish(Counter(counts) + Counter({_returned(Reason.BEHIND): behind}))
    return {"batchItemFailures": [{"itemIdentifier": record.message_id} for record in returned]}


def _returned(reason: Reason) -> str:
    return f"Returned{reason}"


def _dispatch_record(parts: Services, context: LambdaContext, counts: list[str], record: SQSRecord) -> None:
    """Dispatch one record; what is raised returns it to the queue. Each record that got here is counted once."""
    logger.thread_safe_append_keys(job_id=None, attempt=None, message_id=record.message_id)
    try:
        counts.append(_take(parts, record, _time_left(context)))
    except TryAgainError as error:
        counts.append(_returned(error.reason))
        log = logger.error if error.wrong else logger.warning
        log("Returned to the queue after delivery %d: %s", receives(record), error)
        raise
    except Exception:
        counts.append(_returned(Reason.FAULT))
        logger.exception("Returned to the queue because of an error in the dispatcher itself.")
        raise


def _take(parts: Services, record: SQSRecord, patience_seconds: float) -> str:
    """Start the record's task or set the record aside; returns the name of the metric that counts it."""
    try:
        message = parse(record.body)
        logger.thread_safe_append_keys(job_id=message.job_id, attempt=message.attempt)
        outcome = parts.dispatcher.dispatch(message, patience_seconds)
    except (MalformedMessageError, StoreRefusedError) as error:
        parts.queues.send_dead_letter(record.body, group_of(record), record.message_id, str(error))
        logger.error("Set aside in the dead-letter queue: %s", error)  # noqa: TRY400 a traceback would say no more
        return "SetAside"
    logger.info(outcome.sentence)
    return "Dispatched" if outcome.started else "NothingToDo"


def _time_left(context: LambdaContext) -> float:
    """Return the seconds that a record may wait for its turn. Raises TryAgainError when there is no time for it."""
    left = context.get_remaining_time_in_millis() / 1000 - NEEDED_TIME
    if left < 0:
        raise TryAgainError("The batch took so long that there is no time left for this message.", Reason.TIME)
    return left
