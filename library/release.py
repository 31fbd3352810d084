#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: which release runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Return to an earlier release of the functions and the worker
description:
  - Registers the task definition of an earlier release as the newest revision, then moves the alias of each function.
  - Messages that arrive meanwhile are dispatched by one release or the other; running tasks go on.
options:
  functions:
    description: Names of the functions; releases are ordered by the versions of the first.
    type: list
    elements: str
    required: true
  alias:
    description: Alias of the functions that is called.
    type: str
    required: true
  task_definition:
    description: Family of the worker's task definition.
    type: str
    required: true
  repository:
    description: Repository of the worker's images; an image that is gone from it is refused.
    type: str
    required: true
  to:
    description:
      - Release to return to, or its beginning. Without it, the one before the newest; nothing happens when the newest
        is not what runs, so that a second run does not go back further.
    type: str
    default: ""
notes:
  - Exists because no module knows what belongs together.
extends_documentation_fragment: [tamma_resource]
"""

EXAMPLES = r"""
- name: Return to the release before
  release:
    functions: [trigger-audio-clean, tamma-dev-reconciler]
    alias: live
    task_definition: tamma-dev-audio-clean
    repository: tamma-dev-audio-clean
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(update) or C(none)).
  returned: success
  type: str
resource:
  description: What runs, as C(release), C(image_tag) and the version of each function.
  returned: success
  type: dict
"""

from typing import Any, ClassVar

from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import Plan, State, plan_present
from ansible.module_utils.tamma.releases import Release, image_tag, released, releases, revision_with
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.shapes import fit, prune

_TEXT = {"type": "str", "required": True}


class Running(Resource):
    """The release that runs."""

    kind = "release"
    identity: ClassVar = {"task_definition": _TEXT}
    spec: ClassVar = {}
    controls: ClassVar = {
        "functions": {"type": "list", "elements": "str", "required": True},
        "alias": _TEXT,
        "repository": _TEXT,
        "to": {"type": "str", "default": ""},
    }
    taggable = False

    @property
    def name(self) -> str:
        """What is released."""
        return f"of {self.params['task_definition']}"

    def plan(self) -> Plan:
        """Choose the release and compare it with what runs."""
        current = self.find()
        if current is None:
            raise RefusalError("nothing was released yet; converge site.yml first")
        target = self._target(current)
        self._refuse_missing_image(target)
        return plan_present(current, self._as_state(target), {}, ())

    def find(self) -> State | None:
        """Return what runs, or None when nothing was released."""
        versions = {
            name: released(self.client("lambda"), name, self.params["alias"]) for name in self.params["functions"]
        }
        latest = revision_with(self.client("ecs"), self.params["task_definition"], lambda _: True)
        if latest is None or None in versions.values():
            return None
        running = [release for release in self._all() if release.versions == versions]
        release = running[0].name if running else "(a mixture)"
        return {"release": release, "image_tag": image_tag(latest["taskDefinition"]), "versions": versions}

    def create(self, desired: State) -> None:
        """Do nothing: a release is made by site.yml."""

    def update(self, current: State, changes: State) -> None:
        """Register the task definition of the release, then move the aliases."""
        del current
        if "image_tag" in changes:
            self._register(changes["image_tag"])
        for function, version in changes.get("versions", {}).items():
            self.client("lambda").update_alias(
                FunctionName=function, Name=self.params["alias"], FunctionVersion=version
            )

    def delete(self, current: State) -> None:
        """Do nothing: a release ends with the next."""

    def _all(self) -> list[Release]:
        return releases(self.client("lambda"), self.params["functions"])

    @staticmethod
    def _as_state(release: Release) -> State:
        return {"release": release.name, "image_tag": release.image_tag, "versions": release.versions}

    def _target(self, current: State) -> Release:
        known = self._all()
        wanted = self.params["to"]
        if wanted:
            found = [release for release in known if release.name.startswith(wanted)]
            if len(found) != 1:
                names = ", ".join(release.name for release in known)
                raise RefusalError(f"{len(found)} releases begin with {wanted!r}; choose one of {names}")
            return found[0]
        if len(known) == 1:
            raise RefusalError("there is no earlier release to return to; only this one was published")
        # What runs is an earlier release already; anything between two releases is a run that was cut off.
        running = [release for release in known[1:] if self._as_state(release) == current]
        return running[0] if running else known[1]

    def _refuse_missing_image(self, release: Release) -> None:
        answer = self.client("ecr").batch_get_image(
            repositoryName=self.params["repository"], imageIds=[{"imageTag": release.image_tag}]
        )
        if not answer["images"]:
            raise RefusalError(
                f"the image {release.image_tag} of release {release.name} is no longer in the registry; "
                "check that commit out, then run playbooks/build_image.yml"
            )

    def _register(self, tag: str) -> None:
        family, ecs = self.params["task_definition"], self.client("ecs")
        answer = revision_with(ecs, family, lambda definition: image_tag(definition) == tag)
        if answer is None:
            raise RefusalError(f"no revision of {family} has the image {tag}; converge the commit that it was made of")
        shape: Any = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape
        request = prune(fit(answer["taskDefinition"], shape, family, drop_unknown=True))
        ecs.register_task_definition(**{**request, "family": family, "tags": answer.get("tags", [])})


def main() -> None:
    """Run the module."""
    run(Running)


if __name__ == "__main__":
    main()
