"""A module gets the client that it would have made itself, and each is made once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

import tests.ansible_modules  # noqa: F401 - makes ansible.module_utils.tamma importable

from ansible.module_utils.tamma.warm.clients import SERVICES, Clients  # isort: skip
from ansible.module_utils.tamma.warm.snapshot import Snapshot  # isort: skip


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setattr(AnsibleAWSModule, "client", AnsibleAWSModule.client)  # put back afterwards
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    made = Clients(Snapshot())
    made.install()
    return made


def _client(service: str, **options: Any) -> Any:
    with patch_module_args(options):
        return AnsibleAWSModule(argument_spec={}).client(service)


def test_modules_get_the_clients_that_were_prepared(clients: Clients) -> None:
    clients.prepare()
    prepared = dict(clients.by_service())
    assert set(prepared) == set(SERVICES)
    for service in SERVICES:
        assert _client(service) is prepared[service]
        assert _client(service) is _client(service)


def test_a_prepared_client_is_what_a_module_makes(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = clients.get("sqs")
    monkeypatch.undo()
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    own = _client("sqs", access_key="a", secret_key="b")
    assert prepared.meta.endpoint_url == own.meta.endpoint_url == "http://127.0.0.1:1"
    assert prepared.meta.region_name == own.meta.region_name == "eu-west-1"
    assert prepared.meta.config.user_agent == own.meta.config.user_agent
    keys = [client._request_signer._credentials.access_key for client in (prepared, own)]
    assert keys == ["a", "a"]


def test_options_and_environment_make_another_client(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _client("sqs")
    assert _client("sqs", region="us-east-1").meta.region_name == "us-east-1"
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    elsewhere = _client("sqs")
    assert elsewhere is not plain
    assert elsewhere.meta.region_name == "us-west-2"
    assert dict(clients.by_service()) == {"sqs": elsewhere}


def test_a_retry_decorator_is_honoured(clients: Clients) -> None:
    with patch_module_args({}):
        wrapped = AnsibleAWSModule(argument_spec={}).client("sqs", retry_decorator=lambda call: call)
    assert wrapped.client is _client("sqs")
