"""The one exception that is shown to people."""


class LocalCloudError(Exception):
    """Something a person can act on: its text is one sentence that says what to do next."""
