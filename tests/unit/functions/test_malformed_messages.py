"""The messages that the fault runs send as malformed ones are malformed, each for its own reason."""

from __future__ import annotations

import pytest
from job_message import MalformedMessageError, parse

from tests.faults.malformed import messages


@pytest.mark.parametrize(("body", "word"), messages("job-1"))
def test_message_is_refused_for_its_reason(body: str, word: str) -> None:
    with pytest.raises(MalformedMessageError) as refusal:
        parse(body)
    assert word in str(refusal.value)
    assert str(refusal.value).endswith(".")
    assert len(str(refusal.value)) < 300
