"""One command makes another environment, whose preview is complete; what cannot be one is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tamma_local.layout import REPOSITORY

from tests.e2e.site import Site, site

_ACCOUNT = "000000000000"  # of the embedded cloud


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("environment")) as running:
        yield running


def _make(root: Path, **variables: Any) -> subprocess.CompletedProcess[str]:
    given = json.dumps({"new_inventories": str(root), **variables})
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "playbooks/new_environment.yml", "-e", given]
    return subprocess.run(
        command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip


def _inputs(root: Path, name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((root / name / "group_vars/all/main.yml").read_text()))


@pytest.mark.parametrize("like", ["dev", "prod"])
def test_a_new_environment_can_be_previewed_at_once(empty: Site, tmp_path: Path, like: str) -> None:
    settings = {"network_nat": "none", "compute_worker_cpu": 512}
    made = _make(tmp_path, new_environment="staging", new_like=like, new_account_id=_ACCOUNT, new_settings=settings)
    assert made.returncode == 0, made.stdout
    inputs, pattern = _inputs(tmp_path, "staging"), _inputs(REPOSITORY / "inventories", like)
    own = {"naming_environment": "staging", "naming_account_id": _ACCOUNT, "naming_region": "us-east-1"}
    assert inputs == {**pattern, **own, **settings}
    cloud = empty.cloud
    connection = {
        "AWS_ENDPOINT_URL": empty.proxy.url, "AWS_REGION": cloud.region, "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": cloud.access_key_id, "AWS_SECRET_ACCESS_KEY": cloud.secret_access_key,
    }  # fmt: skip
    secrets = {"secrets_supabase_url": "http://127.0.0.1:9", "secrets_supabase_service_key": "key"}
    given = {"aws_environment": connection, **secrets}
    preview = empty.preview("-i", str(tmp_path / "staging"), "-e", json.dumps(given))
    names = {name for _, _, name in preview.touched}
    assert {"tamma-staging-vpc", "tamma-staging-raw", "tamma-staging-jobs.fifo"} <= names
    assert not [name for name in names if "dev" in name.split("-")]
    assert not [name for name in names if name.startswith("tamma-staging-nat")]


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "new_environment is a name of 2-16 characters a-z, 0-9 and - (now '')"),
        ({"new_environment": "Staging"}, "(now 'Staging')"),
        ({"new_environment": "../../etc"}, "(now '../../etc')"),
        ({"new_environment": "staging", "new_account_id": "1234"}, "new_account_id 12 digits or nothing (now '1234')"),
        ({"new_environment": "staging", "new_region": "here"}, "a region like us-east-1 (now 'here')"),
        (
            {"new_environment": "staging", "new_like": "pord"},
            "new_like is 'pord'; choose an environment that is on AWS",
        ),
        ({"new_environment": "staging", "new_like": "local"}, "new_like is 'local'; choose"),
        (
            {"new_environment": "staging", "new_settings": {"network_natt": "none"}},
            "The variable network_natt is set and nothing reads it; did you mean network_nat?",
        ),
        (
            {"new_environment": "staging", "new_settings": {"owner": "me"}},
            "The variable owner is set and nothing reads it; docs/variables.md has all that are.",
        ),
    ],
)
def test_what_is_no_environment_is_refused(tmp_path: Path, variables: dict[str, Any], sentence: str) -> None:
    made = _make(tmp_path, **variables)
    assert made.returncode != 0
    assert sentence in " ".join(made.stdout.split())
    assert "Traceback" not in made.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_environment_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    assert _make(tmp_path, new_environment="staging").returncode == 0
    path = tmp_path / "staging/group_vars/all/main.yml"
    path.write_text("naming_environment: edited\n")
    again = _make(tmp_path, new_environment="staging")
    assert again.returncode != 0
    assert "staging exists: edit it, or choose another name." in " ".join(again.stdout.split())
    assert path.read_text() == "naming_environment: edited\n"


def test_a_run_that_was_cut_off_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / "staging/group_vars/all").mkdir(parents=True)
    (tmp_path / "staging/group_vars/all/main.yml").write_text("naming_env")
    assert _make(tmp_path, new_environment="staging").returncode == 0
    assert _inputs(tmp_path, "staging")["naming_environment"] == "staging"
