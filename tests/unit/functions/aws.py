"""boto3 clients whose requests stop short of the network: botocore still checks every request against its model."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = dict[str, Any] | Exception


def refusal(code: str, status: int = 400, message: str = "no", **more: Any) -> dict[str, Any]:
    """Return an answer that botocore raises as ClientError."""
    return {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}


class FakeAws:
    """One service: ``answers`` by operation (a dict, an exception or a function of the parameters), ``calls`` seen."""

    def __init__(self, service: str, **answers: Answer | Callable[[dict[str, Any]], Answer]) -> None:
        make: Any = boto3.client
        self.client = make(
            service,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            endpoint_url="http://127.0.0.1:9",  # the discard port: nothing may get there
        )
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._asked = threading.local()
        self.client.meta.events.register(f"before-parameter-build.{service}", self._note)
        self.client.meta.events.register(f"before-call.{service}", self._answer)

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self._asked.parameters = dict(params)
        self.calls.append((model.name, self._asked.parameters))

    def _answer(self, model: Any, **_: Any) -> tuple[Any, dict[str, Any]]:
        answer = self.answers[model.name]
        if callable(answer) and not isinstance(answer, Exception):
            answer = answer(self._asked.parameters)
        if isinstance(answer, Exception):
            raise answer
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
        return SimpleNamespace(status_code=status), answer

    def parameters(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of each call of an operation."""
        return [params for name, params in self.calls if name == operation]


def fake_queues() -> FakeAws:
    """Return an SQS that takes everything; a queue's URL ends in its name."""
    return FakeAws(
        "sqs",
        GetQueueUrl=lambda params: {"QueueUrl": f"http://127.0.0.1:9/{params['QueueName']}"},
        SendMessage={"MessageId": "1"},
        ChangeMessageVisibilityBatch={"Successful": [], "Failed": []},
    )


def sent(sqs: FakeAws, queue: str) -> list[dict[str, Any]]:
    """Return what was sent to a queue."""
    return [params for params in sqs.parameters("SendMessage") if params["QueueUrl"].endswith(f"/{queue}")]
