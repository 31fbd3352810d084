"""AWS as botocore's Stubber plays it: each expected call once, in order, held to the real service model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.stub import ANY, Stubber

from tests.ansible_modules import Outcome, Recorder, run_module

__all__ = ["ANY", "StubbedAws"]


class StubbedAws:
    """Clients whose answers are scripted by service."""

    def __init__(self) -> None:
        self._session: Any = boto3.Session("test", "test", region_name="us-east-1")
        self._clients: dict[str, Any] = {}
        self._stubs: dict[str, Stubber] = {}
        self._scripted: list[str] = []
        self.recorder = Recorder()

    def client(self, service: str) -> Any:
        if service not in self._clients:
            client = self._session.client(service)
            self.recorder.attach(client)
            self._clients[service], self._stubs[service] = client, Stubber(client)
            self._stubs[service].activate()
        return self._clients[service]

    def answers(self, service: str, operation: str, answer: Mapping[str, Any], /, **expected: Any) -> None:
        """Script the next call of a service; `expected` are its parameters, unchecked when none are given."""
        self._expect(service, operation)
        self._stubs[service].add_response(operation, dict(answer), expected or None)

    def refuses(self, service: str, operation: str, code: str, message: str = "") -> None:
        """Script an error as the next answer."""
        self._expect(service, operation)
        self._stubs[service].add_client_error(operation, code, message)

    def run(self, module: str, options: Mapping[str, Any], *, check: bool = False) -> Outcome:
        """Run a module; every scripted call must have been made, in the script's order, and no writing one to check."""
        outcome = run_module(module, options, check=check, connect=self.client, recorder=self.recorder)
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()
        assert list(outcome.calls) == self._scripted, outcome.message
        self._scripted.clear()
        assert not (check and outcome.writes), "check mode wrote"
        return outcome

    def _expect(self, service: str, operation: str) -> None:
        names = self.client(service).meta.method_to_api_mapping
        self._scripted.append(f"{self.client(service).meta.service_model.service_name}:{names[operation]}")
