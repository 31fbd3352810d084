"""Keys and passwords of one embedded cloud, made at its first start and kept in its state folder."""

import secrets
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import jwt

from tamma_local.private_files import read_json, write_json

# Supabase's own keys for anon and service_role live for ten years.
_TOKEN_SECONDS = 10 * 365 * 24 * 3600
_KEY_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass(frozen=True, repr=False)
class Keys:
    """Everything secret."""

    access_key_id: str
    secret_access_key: str
    jwt_secret: str
    anon_key: str
    service_key: str
    admin_password: str
    postgres_password: str
    authenticator_password: str


def load_or_make(path: Path) -> Keys:
    """Return the keys kept at a path, after making them when there are none or an older set."""
    values = read_json(path) or {}
    if set(values) != {field.name for field in fields(Keys)}:
        keys = make()
        write_json(path, asdict(keys))
        return keys
    return Keys(**values)


def make() -> Keys:
    """Return new random keys."""
    jwt_secret = secrets.token_urlsafe(48)
    now = int(time.time())
    return Keys(
        access_key_id="AKIA" + "".join(secrets.choice(_KEY_ID_LETTERS) for _ in range(16)),
        secret_access_key=secrets.token_urlsafe(30),
        jwt_secret=jwt_secret,
        anon_key=api_key("anon", jwt_secret, now),
        service_key=api_key("service_role", jwt_secret, now),
        admin_password=secrets.token_urlsafe(24),
        postgres_password=secrets.token_urlsafe(24),
        authenticator_password=secrets.token_urlsafe(24),
    )


def api_key(role: str, jwt_secret: str, now: int) -> str:
    """Return a token with the claims that Supabase's API keys have; now is in seconds since 1970."""
    claims = {"iss": "supabase", "ref": "local", "role": role, "iat": now, "exp": now + _TOKEN_SECONDS}
    return jwt.encode(claims, jwt_secret, algorithm="HS256")
