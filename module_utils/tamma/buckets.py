"""The properties of an S3 bucket: how each is read, written and brought into normal form."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.policy import canonical
from ansible.module_utils.tamma.wording import size_of
from botocore.exceptions import ClientError

_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_CORS = {
    "allowed_origins": "AllowedOrigins",
    "allowed_methods": "AllowedMethods",
    "allowed_headers": "AllowedHeaders",
    "expose_headers": "ExposeHeaders",
    "max_age_seconds": "MaxAgeSeconds",
}
_WEBSITE = ("RedirectAllRequestsTo", "IndexDocument", "ErrorDocument", "RoutingRules")
_LOGGING = ("TargetBucket", "TargetPrefix", "TargetGrants", "TargetObjectKeyFormat")
_DAYS = {  # our name: the rule's member and the member in it
    "expiration_days": ("Expiration", "Days"),
    "expired_object_delete_marker": ("Expiration", "ExpiredObjectDeleteMarker"),
    "noncurrent_version_expiration_days": ("NoncurrentVersionExpiration", "NoncurrentDays"),
    "abort_incomplete_multipart_upload_days": ("AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
}

_MOST_COUNTED = 100_000
"""Versions that are counted: a hundred calls; a bucket that holds more says so."""


@dataclass(frozen=True)
class Property:
    """`get` and `put` are names of S3 operations; `missing` are the error codes that mean there is nothing."""

    get: str
    load: Callable[[dict[str, Any]], Any]
    put: str
    dump: Callable[[Any], dict[str, Any]]
    missing: tuple[str, ...] = ()
    delete: str = ""
    normal: Callable[[Any], Any] = lambda value: value


def read(s3: Any, bucket: str, name: str) -> Any:
    """Return a property in normal form; what is not configured is AWS's default or empty."""
    prop = _PROPERTIES[name]
    try:
        answer = getattr(s3, prop.get)(Bucket=bucket)
    except ClientError as error:
        if not is_code(error, *prop.missing):
            raise
        answer = {}
    return prop.load(answer)


def write(s3: Any, bucket: str, name: str, value: Any) -> None:
    """Write a property; an empty value removes the configuration."""
    prop = _PROPERTIES[name]
    if prop.delete and not value:
        getattr(s3, prop.delete)(Bucket=bucket)
    else:
        getattr(s3, prop.put)(Bucket=bucket, **prop.dump(value))


def normal(name: str, value: Any) -> Any:
    """Return a given value in the form in which `read` returns it."""
    return _PROPERTIES[name].normal(value)


def empty(s3: Any, bucket: str) -> None:
    """Delete every object, version, delete marker and unfinished upload, page by page."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        doomed = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
        if doomed:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
            for error in answer.get("Errors", []):
                raise RefusalError(
                    f"the object {error['Key']} could not be deleted ({error['Code']}); delete it and re-run"
                )
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def holds(s3: Any, bucket: str) -> str:
    """Say how much a bucket holds, in versions, bytes and unfinished uploads; an empty text for nothing."""
    versions = markers = size = 0
    told = ""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions += len(page.get("Versions", []))
        markers += len(page.get("DeleteMarkers", []))
        size += sum(int(item.get("Size", 0)) for item in page.get("Versions", []))
        if versions + markers >= _MOST_COUNTED and page.get("IsTruncated"):
            told = "more than "
            break
    uploads = sum(
        len(page.get("Uploads", [])) for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
    )
    counted = ((versions, "version"), (markers, "delete marker"), (uploads, "unfinished upload"))
    parts = [f"{count} {what}{'' if count == 1 else 's'}" for count, what in counted if count]
    if versions:
        parts[0] = f"{told}{parts[0]} of objects, {size_of(size)}"
    return ", ".join(parts)


def _load_encryption(answer: dict[str, Any]) -> dict[str, Any]:
    rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    if not rules:
        return {}
    default = rules[0].get("ApplyServerSideEncryptionByDefault", {})
    return {
        "algorithm": default.get("SSEAlgorithm"),
        "kms_key_id": default.get("KMSMasterKeyID"),
        "bucket_key_enabled": bool(rules[0].get("BucketKeyEnabled")),
    }


def _dump_encryption(value: dict[str, Any]) -> dict[str, Any]:
    default = {"SSEAlgorithm": value["algorithm"]}
    if value.get("kms_key_id"):
        default["KMSMasterKeyID"] = value["kms_key_id"]
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": value["bucket_key_enabled"]}
    return {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}


def _load_grants(answer: dict[str, Any]) -> str | list[dict[str, str]]:
    """Return `private` when the owner alone has rights, else everybody else's."""
    owner = answer.get("Owner", {}).get("ID")
    others = []
    for grant in answer.get("Grants", []):
        who = grant["Grantee"]
        if who.get("ID") != owner or who.get("URI"):
            name = who.get("URI") or who.get("ID") or who.get("EmailAddress")
            others.append({"grantee": str(name), "permission": str(grant["Permission"])})
    return sorted(others, key=lambda grant: (grant["grantee"], grant["permission"])) or "private"


def _plain(found: dict[str, Any], *members: str) -> dict[str, Any]:
    return {name: found[name] for name in members if found.get(name)}


def _load_blocks(answer: dict[str, Any]) -> bool | dict[str, bool]:
    """Return True or False when the four blocks agree, else each of them, so that a preview shows which is off."""
    config = answer.get("PublicAccessBlockConfiguration", {})
    blocks = {name: bool(config.get(name)) for name in _BLOCKS}
    return all(blocks.values()) if len(set(blocks.values())) == 1 else blocks


def _normal_cors(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: sorted(value) if isinstance(value, list) else value for name, value in rule.items() if value != []}
        for rule in rules
    ]


def _load_cors(answer: dict[str, Any]) -> list[dict[str, Any]]:
    rules = answer.get("CORSRules", [])
    return _normal_cors([{our: rule[aws] for our, aws in _CORS.items() if aws in rule} for rule in rules])


def _dump_cors(rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "CORSConfiguration": {"CORSRules": [{_CORS[name]: value for name, value in rule.items()} for rule in rules]}
    }


def _normal_lifecycle(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rules, key=lambda rule: str(rule["id"]))


def _load_lifecycle(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return _normal_lifecycle([_load_rule(rule) for rule in answer.get("Rules", [])])


def _load_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a rule in our names; what we have no name for is kept under `other`, so that it shows as a difference."""
    known = {"ID", "Status", "Filter", "Prefix", *(member for member, _ in _DAYS.values())}
    condition = rule.get("Filter", {})
    other = {name: value for name, value in rule.items() if name not in known and value}
    other |= {name: value for name, value in condition.items() if name != "Prefix"}
    ours = {
        "id": rule.get("ID", ""),
        "prefix": condition.get("Prefix", rule.get("Prefix", "")),
        "status": rule["Status"].lower(),
    }
    for name, (member, part) in _DAYS.items():
        if rule.get(member, {}).get(part):
            ours[name] = rule[member][part]
        other |= {
            f"{member}.{key}": value
            for key, value in rule.get(member, {}).items()
            if (member, key) not in _DAYS.values() and value
        }
    return {**ours, "other": json.loads(json.dumps(other, default=str, sort_keys=True))} if other else ours


def _dump_lifecycle(rules: list[dict[str, Any]]) -> dict[str, Any]:
    result = []
    for rule in rules:
        out = {"ID": rule["id"], "Status": rule["status"].capitalize(), "Filter": {"Prefix": rule["prefix"]}}
        for name, (member, part) in _DAYS.items():
            if name in rule:
                out.setdefault(member, {})[part] = rule[name]
        result.append(out)
    return {"LifecycleConfiguration": {"Rules": result}}


def _normal_notifications(value: dict[str, Any]) -> dict[str, Any]:
    """Sort entries by their Id and events by name, spell filter names as they are sent, drop what is empty."""
    lists = {name: item for name, item in value.items() if isinstance(item, list) and item}
    switches = {name: item for name, item in value.items() if name == "EventBridgeConfiguration" and item is not None}
    ordered = {
        name: sorted((_entry(entry) for entry in item), key=lambda entry: str(entry.get("Id")))
        for name, item in lists.items()
    }
    return {**ordered, **switches}


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    result = {**entry, "Events": sorted(entry.get("Events", []))}
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    result.pop("Filter", None)
    if rules:
        pairs = sorted(({"Name": rule["Name"].lower(), "Value": rule["Value"]} for rule in rules), key=str)
        result["Filter"] = {"Key": {"FilterRules": pairs}}
    return result


def _own_tags(answer: dict[str, Any]) -> dict[str, str]:
    return tags.to_dict(answer.get("TagSet"))


def _ownership(answer: dict[str, Any]) -> str:
    rules = answer.get("OwnershipControls", {}).get("Rules", [])
    return str(rules[0]["ObjectOwnership"]) if rules else "ObjectWriter"  # what AWS means by no controls


_PROPERTIES = {
    "versioning": Property(
        get="get_bucket_versioning",
        load=lambda answer: str(answer.get("Status", "Suspended")).lower(),
        put="put_bucket_versioning",
        dump=lambda value: {"VersioningConfiguration": {"Status": value.capitalize()}},
    ),
    "encryption": Property(
        get="get_bucket_encryption",
        load=_load_encryption,
        put="put_bucket_encryption",
        dump=_dump_encryption,
        missing=("ServerSideEncryptionConfigurationNotFoundError",),
        normal=lambda value: {**value, "kms_key_id": value.get("kms_key_id")},
    ),
    "acl": Property(
        get="get_bucket_acl",
        load=_load_grants,
        put="put_bucket_acl",
        dump=lambda value: {"ACL": value},
    ),
    "public_access_block": Property(
        get="get_public_access_block",
        load=_load_blocks,
        put="put_public_access_block",
        dump=lambda _: {"PublicAccessBlockConfiguration": dict.fromkeys(_BLOCKS, True)},
        missing=("NoSuchPublicAccessBlockConfiguration",),
        delete="delete_public_access_block",
    ),
    "object_ownership": Property(
        get="get_bucket_ownership_controls",
        load=_ownership,
        put="put_bucket_ownership_controls",
        dump=lambda value: {"OwnershipControls": {"Rules": [{"ObjectOwnership": value}]}},
        missing=("OwnershipControlsNotFoundError",),
    ),
    "policy": Property(
        get="get_bucket_policy",
        load=lambda answer: canonical(answer.get("Policy")) or {},
        put="put_bucket_policy",
        dump=lambda value: {"Policy": json.dumps(value)},
        missing=("NoSuchBucketPolicy",),
        delete="delete_bucket_policy",
        normal=lambda value: (canonical(value) or {}) if value else {},
    ),
    "cors_rules": Property(
        get="get_bucket_cors",
        load=_load_cors,
        put="put_bucket_cors",
        dump=_dump_cors,
        missing=("NoSuchCORSConfiguration",),
        delete="delete_bucket_cors",
        normal=_normal_cors,
    ),
    "lifecycle_rules": Property(
        get="get_bucket_lifecycle_configuration",
        load=_load_lifecycle,
        put="put_bucket_lifecycle_configuration",
        dump=_dump_lifecycle,
        missing=("NoSuchLifecycleConfiguration",),
        delete="delete_bucket_lifecycle",
        normal=_normal_lifecycle,
    ),
    "notifications": Property(
        get="get_bucket_notification_configuration",
        load=_normal_notifications,
        put="put_bucket_notification_configuration",
        dump=lambda value: {"NotificationConfiguration": value},
        normal=_normal_notifications,
    ),
    "website": Property(
        get="get_bucket_website",
        load=lambda answer: _plain(answer, *_WEBSITE),
        put="put_bucket_website",
        dump=lambda value: {"WebsiteConfiguration": value},
        missing=("NoSuchWebsiteConfiguration",),
        delete="delete_bucket_website",
    ),
    "replication": Property(
        get="get_bucket_replication",
        load=lambda answer: _plain(answer.get("ReplicationConfiguration", {}), "Role", "Rules"),
        put="put_bucket_replication",
        dump=lambda value: {"ReplicationConfiguration": value},
        missing=("ReplicationConfigurationNotFoundError",),
        delete="delete_bucket_replication",
    ),
    "logging": Property(
        get="get_bucket_logging",
        load=lambda answer: _plain(answer.get("LoggingEnabled", {}), *_LOGGING),
        put="put_bucket_logging",
        dump=lambda value: {"BucketLoggingStatus": {"LoggingEnabled": value} if value else {}},
    ),
    "tags": Property(
        get="get_bucket_tagging",
        load=_own_tags,
        put="put_bucket_tagging",
        dump=lambda value: {"Tagging": {"TagSet": tags.to_pairs(value)}},
        missing=("NoSuchTagSet",),
        delete="delete_bucket_tagging",
    ),
}
