"""Lookup: where the running embedded cloud is."""

from __future__ import annotations

DOCUMENTATION = r"""
name: embedded_cloud
short_description: Read where the running embedded cloud is
description:
  - Returns the content of C(cloud.json), which the embedded cloud writes when it is ready and removes when it stops.
  - The folder is E(TAMMA_LOCAL_DIR), or C(.local) beside C(ansible.cfg).
options: {}
author: [Tamma Infra]
"""

import json
import os
import platform
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

_ROOT = Path(__file__).resolve().parents[2]
_ARCHITECTURES = {"aarch64": "arm64", "arm64": "arm64"}


class LookupModule(LookupBase):
    """Read the state file of the embedded cloud."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """Return one dict: the state file, its folder `state_dir`, the machine's `architecture` in Lambda's words."""
        del terms, variables, kwargs
        path = Path(os.environ.get("TAMMA_LOCAL_DIR", _ROOT / ".local")) / "cloud.json"
        try:
            cloud: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise AnsibleError("The embedded cloud is not running: start it with `make up`.") from None
        except json.JSONDecodeError:
            raise AnsibleError(f"{path} is damaged: run `make down`, then `make up`.") from None
        cloud["architecture"] = _ARCHITECTURES.get(platform.machine(), "x86_64")
        cloud["state_dir"] = str(path.parent.resolve())
        return [cloud]
