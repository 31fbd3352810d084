"""The tools that are compared: how each is prepared for a cloud, and its command for each phase."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tamma_local.cloud import Cloud
from tamma_local.layout import REPOSITORY

from benchmarks.converge.recorder import Exchange
from benchmarks.converge.stage import BenchmarkError, Inputs, environment, seen_through, write_json

Phase = Literal["first", "silent", "preview"]
PHASES: tuple[Phase, ...] = ("first", "silent", "preview")
_STACK = Path(__file__).parent / "terraform"


@dataclass(frozen=True)
class Command:
    """What is run and measured."""

    argv: list[str]
    cwd: Path
    env: dict[str, str]


class Side(ABC):
    """One of the two that are compared."""

    name: str

    @abstractmethod
    def prepare(self, folder: Path, cloud: Cloud, url: str) -> None:
        """Get ready for an empty cloud that is reached through a proxy; not measured."""

    @abstractmethod
    def command(self, phase: Phase) -> Command:
        """Return the command of a phase."""


class Playbook(Side):
    """This project: `ansible-playbook site.yml`."""

    name = "Tamma Infra"

    def __init__(self) -> None:
        self._env: dict[str, str] = {}

    def prepare(self, folder: Path, cloud: Cloud, url: str) -> None:
        """Write a `cloud.json` that names the proxy: the local inventory reads where the cloud is from there."""
        write_json(folder / "cloud.json", seen_through(cloud, url))
        self._env = environment(TAMMA_LOCAL_DIR=str(folder))

    def command(self, phase: Phase) -> Command:
        """Return `make converge` and `make plan` without make."""
        options = ["--check", "--diff"] if phase == "preview" else []
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), "site.yml", "-i", "inventories/local"]
        return Command([*argv, *options], REPOSITORY, self._env)


class Terraform(Side):
    """The same stack in Terraform."""

    name = "Terraform"

    def __init__(self, program: str, plugins: Path | None, inputs: Inputs) -> None:
        self._program, self._plugins, self._inputs = program, plugins, inputs
        self._folder, self._env = Path(), dict[str, str]()

    def prepare(self, folder: Path, cloud: Cloud, url: str) -> None:
        """Copy the stack, write its variables and initialise it."""
        self._folder = folder
        shutil.copytree(_STACK, folder)
        self._env = environment(
            AWS_ACCESS_KEY_ID=cloud.access_key_id, AWS_SECRET_ACCESS_KEY=cloud.secret_access_key, CHECKPOINT_DISABLE="1"
        )
        if self._plugins:
            config = folder / "cli.tfrc"
            config.write_text(
                f'provider_installation {{\n  filesystem_mirror {{\n    path = "{self._plugins}"\n  }}\n}}\n'
            )
            self._env["TF_CLI_CONFIG_FILE"] = str(config)
        write_json(folder / "terraform.tfvars.json", self._variables(cloud, url))
        init = [self._program, "init", "-input=false", "-no-color"]
        done = subprocess.run(init, cwd=folder, env=self._env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchmarkError(f"terraform init failed: {done.stderr.strip()}")

    def command(self, phase: Phase) -> Command:
        """Return apply or plan; a plan that is not empty counts as failed."""
        options = ["plan", "-detailed-exitcode"] if phase == "preview" else ["apply", "-auto-approve"]
        return Command([self._program, *options, "-input=false", "-no-color"], self._folder, self._env)

    def _variables(self, cloud: Cloud, url: str) -> dict[str, object]:
        return {
            "endpoint": url,
            "region": cloud.region,
            "account_id": cloud.account_id,
            "python_version": cloud.python_version,
            "image_tag": self._inputs.image_tag,
            "architecture": self._inputs.architecture,
            "layer": self._inputs.layer,
            "archives": self._inputs.archives,
            "supabase_url": cloud.supabase_url,
            "supabase_service_key": cloud.supabase_service_key,
        }


class Replay(Side):
    """Where there is no Terraform: boto3 alone, repeating one by one the calls that our own run made."""

    name = "boto3 script"

    def __init__(self, folder: Path) -> None:
        self._recordings = folder
        self._folder, self._env = Path(), dict[str, str]()

    def prepare(self, folder: Path, cloud: Cloud, url: str) -> None:
        """Keep where the cloud is; ids that it gives are matched anew."""
        folder.mkdir(parents=True)
        self._folder = folder
        self._env = environment(
            AWS_ENDPOINT_URL=url,
            AWS_REGION=cloud.region,
            AWS_DEFAULT_REGION=cloud.region,
            AWS_ACCESS_KEY_ID=cloud.access_key_id,
            AWS_SECRET_ACCESS_KEY=cloud.secret_access_key,
        )

    def learn(self, phase: Phase, exchanges: list[Exchange]) -> None:
        """Keep what our run of a phase did."""
        recorded = [
            {
                "service": item.call.service,
                "operation": item.call.operation,
                "method": item.method,
                "raw_path": item.raw_path,
                "headers": item.headers,
                "body": base64.b64encode(item.body).decode(),
                "answer": base64.b64encode(item.answer).decode(),
            }
            for item in exchanges
        ]
        write_json(self._recordings / f"{phase}.json", recorded)

    def command(self, phase: Phase) -> Command:
        """Return the script over the recording of a phase."""
        script = [sys.executable, str(Path(__file__).with_name("replay.py"))]
        ids = str(self._folder / "ids.json")
        return Command([*script, str(self._recordings / f"{phase}.json"), ids], REPOSITORY, self._env)
