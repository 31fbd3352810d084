"""The handler of trigger-audio-clean: messages of the jobs queue in, ECS tasks out.

A record ends in one of three ways: acknowledged, set aside in the dead-letter queue with its reason (and acknowledged),
or returned, which lets the later records of its message group, and only these, be returned as well.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from dispatching import Dispatcher, TryAgainError
from edge import client, read_secrets
from job_message import MalformedMessageError, parse
from job_store import JobStore, StoreRefusedError
from network import find_network
from patience import group_of, receives, waits_by_receipt
from planning import read_assign_public_ip, read_pipelines, worker_environment
from queues import Queues
from settings import Settings, structure, text
from task_runner import TaskRunner

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Milliseconds that one record may need at worst (two answers of Supabase, one of ECS); with less left it is returned.
NEEDED_TIME = 15_000

logger = Logger()


@dataclass(frozen=True)
class Services:
    """What a sandbox looks up once and then keeps."""

    dispatcher: Dispatcher
    queues: Queues
    settings: Settings


@functools.cache
def services() -> Services:
    """Look up ids and secrets. Raises SettingsError, MissingParameterError or NetworkError in words; not kept then."""
    settings = Settings.read(os.environ)
    pipelines = read_pipelines(os.environ)
    network = find_network(
        client("ec2"),
        structure(os.environ, "SUBNET_NAMES", list),
        text(os.environ, "SECURITY_GROUP_NAME"),
        read_assign_public_ip(os.environ),
    )
    url, key = read_secrets(client("ssm"), settings)
    dispatcher = Dispatcher(
        store=JobStore(url, key, settings.time_scale),
        runner=TaskRunner(client("ecs")),
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
    """Dispatch each record in order, and let the returned ones wait longer each time."""
    processor = SqsFifoPartialProcessor(skip_group_on_error=True)
    # An error of the whole invocation would hide the records for the queue's full visibility timeout.
    processor.raise_on_entire_batch_failure = False
    response = process_partial_response(
        event=event,
        record_handler=functools.partial(_dispatch_record, parts, context),
        processor=processor,
    )
    records = cast("list[SQSRecord]", processor.fail_messages)
    problem = parts.queues.put_off(parts.settings.jobs_queue, waits_by_receipt(records, parts.settings.time_scale))
    if problem:
        logger.warning("Returned messages wait for the queue's visibility timeout instead: %s", problem)
    return dict(response)


def _dispatch_record(parts: Services, context: LambdaContext, record: SQSRecord) -> None:
    """Dispatch one record; what is raised returns it to the queue."""
    logger.append_keys(job_id=None, message_id=record.message_id)
    try:
        _require_time(context)
        message = parse(record.body)
        logger.append_keys(job_id=message.job_id, attempt=message.attempt)
        logger.info(parts.dispatcher.dispatch(message))
    except (MalformedMessageError, StoreRefusedError) as error:
        parts.queues.send_dead_letter(record.body, group_of(record), record.message_id, str(error))
        logger.error("Set aside in the dead-letter queue: %s", error)  # noqa: TRY400 a traceback would say no more
    except TryAgainError as error:
        log = logger.error if error.wrong else logger.warning
        log("Returned to the queue after delivery %d: %s", receives(record), error)
        raise
    except Exception:
        logger.exception("Returned to the queue because of an error in the dispatcher itself.")
        raise


def _require_time(context: LambdaContext) -> None:
    if context.get_remaining_time_in_millis() < NEEDED_TIME:
        raise TryAgainError("The batch took so long that there is no time left for this message.")
