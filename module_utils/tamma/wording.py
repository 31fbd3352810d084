"""The summary of a run as lines of text; colours and the terminal are the business of whoever prints them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.tamma.changes import Change, Outcome, Summary, without

Line = tuple[str, str]
"""A text, and what it is: `create`, `update`, `delete`, `error`, `role`, `add`, `remove` or nothing."""

_SIGNS = {"create": "+", "update": "~", "delete": "-"}
_PLANNED = {"create": "to create", "update": "to update", "delete": "to delete"}
_DONE = {"create": "created", "update": "updated", "delete": "deleted"}
_NOT_SET = "(not set)"
HOLDS = "holds"
"""The property that says, before a deletion, what a resource holds."""
_LEAST_ROOM = 24  # columns that a value gets however long its path is
_MINUTE = 60
_THOUSAND = 1000


def lines(summary: Summary, seconds: float, width: int | None) -> Iterator[Line]:
    """Yield the summary line by line, the verdict last; with a width, long values are cut in the middle."""
    words = _PLANNED if summary.preview else _DONE
    for role, outcomes in summary.roles.items():
        if any(outcome.action != "none" for outcome in outcomes):
            counts = [f"{summary.counts(role)[action]} {word}" for action, word in words.items()]
            told = ", ".join(count for count in counts if not count.startswith("0 "))
            yield f"{escape(role)}: {told}" if told else escape(role), "role"
            for outcome in outcomes:
                yield from _outcome(outcome, width, undone=not summary.preview and not outcome.applied)
            yield "", ""
    yield from _failures(summary)
    if not summary.preview:
        yield _cost(summary, seconds), ""
    yield verdict(summary), "error" if summary.failures else ""


def verdict(summary: Summary) -> str:
    """Return the last line, which says what the run comes to."""
    counts, words = summary.counts(), _PLANNED if summary.preview else _DONE
    told = ", ".join(f"{counts[action]} {word}" for action, word in words.items())
    errors = f"{len(summary.failures)} error{'s' if len(summary.failures) > 1 else ''}"
    if summary.failures:
        return f"Plan incomplete: {errors}." if summary.preview else f"Stopped by {errors} after: {told}."
    if not any(counts[action] for action in words):
        return "No changes."
    return f"Plan: {told}." if summary.preview else f"Applied: {told}."


def _outcome(outcome: Outcome, width: int | None, *, undone: bool) -> Iterator[Line]:
    if outcome.action == "none":
        return
    title = " ".join(part for part in (outcome.kind, outcome.name) if part)
    note = " (check mode: not applied)" if undone else ""
    yield f"  {_SIGNS[outcome.action]} {outcome.action}  {escape(title)}{note}", outcome.action
    if outcome.action == "delete":
        # Of what goes, only what cannot be made again is told.
        for change in outcome.changes:
            if change.property == HOLDS and change.before:
                yield f"      with {cut(text(change.before), width and width - len('      with '))}", outcome.action
        return
    for change in outcome.changes:
        for line, mark in _change(change, outcome.action, width):
            yield f"      {line}", mark


def _change(change: Change, action: str, width: int | None) -> Iterator[Line]:
    path, before, after = escape(change.property), change.before, change.after
    room = None if width is None else max(width - len(path) - len("        : "), _LEAST_ROOM)
    if action == "create":
        yield f"{path}: {cut(text(after), room)}", ""
    elif steps := _steps(before, after):
        yield f"{path}:", ""
        for sign, value in steps:
            yield f"  {sign} {cut(value, width and width - len('        + '))}", "add" if sign == "+" else "remove"
    else:
        yield f"{path}: {_arrow(text(before), text(after), room)}", ""


def _steps(before: Any, after: Any) -> list[tuple[str, str]]:
    """Return what was added and removed, for lists and texts of several lines; an arrow reads better elsewhere."""
    if isinstance(before, list) and isinstance(after, list):
        return [("+", text(item)) for item in without(after, before)] + [
            ("-", text(item)) for item in without(before, after)
        ]
    if isinstance(before, str) and isinstance(after, str) and ("\n" in before.strip() or "\n" in after.strip()):
        steps = difflib.ndiff(before.splitlines(), after.splitlines())
        return [(step[0], escape(step[2:])) for step in steps if step[0] in "+-"]
    return []


def _arrow(before: str, after: str, room: int | None) -> str:
    if room is None or len(before) + len(after) + len(" → ") <= room:
        return f"{before} → {after}"
    half = max((room - len(" → ")) // 2, _LEAST_ROOM // 2)
    shorter = min(len(before), len(after), half)
    most = max(room - len(" → ") - shorter, half)
    short_before, short_after = cut(before, most), cut(after, half if len(before) > half else most)
    # Two values that differ only in what would be cut are told in full.
    return f"{before} → {after}" if short_before == short_after else f"{short_before} → {short_after}"


def _failures(summary: Summary) -> Iterator[Line]:
    several = len({failure.host for failure in summary.failures}) > 1
    for failure in summary.failures:
        host = f" [{escape(failure.host)}]" if several else ""
        yield f"! error  {escape(failure.role)}: {escape(failure.task)}{host}", "error"
        for line in failure.message.strip().splitlines():
            yield f"      {escape(line)}", "error"
    if summary.failures:
        yield "", ""


def _cost(summary: Summary, seconds: float) -> str:
    minutes, rest = divmod(round(seconds), _MINUTE)
    time = f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
    if summary.reads is None or summary.writes is None:
        return f"Took {time}."
    return (
        f"Took {time} and {summary.reads + summary.writes} API calls ({summary.reads} reads, {summary.writes} writes)."
    )


def size_of(count: int) -> str:
    """Return a number of bytes as a person says it."""
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < _THOUSAND:
            break
        size, unit = size / _THOUSAND, larger
    return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"


def cut(value: str, room: int | None) -> str:
    """Take so much out of the middle of a text that it fits; without a limit it stays as it is."""
    if room is None or len(value) <= room:
        return value
    tail = (room - 1) // 2
    return f"{value[: room - 1 - tail]}…{value[-tail:]}" if tail > 0 else value[:room]


def escape(value: str) -> str:
    r"""Write what is not printable as its escape, such as `\x1b`: a value must not command the terminal."""
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in value)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape", "surrogatepass").decode()


def text(value: Any, *, inside: bool = False) -> str:
    """Write a value on one line, as YAML would in its flow style; only a string that could be misread has quotes."""
    if value is None:
        return "null" if inside else _NOT_SET
    if isinstance(value, dict):
        pairs = (f"{text(str(key), inside=True)}: {text(item, inside=True)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(text(item, inside=True) for item in value) + "]"
    if isinstance(value, str):
        return f'"{escape(value.replace('"', '\\"'))}"' if _misleading(value, inside=inside) else escape(value)
    return escape(json.dumps(value, default=str, ensure_ascii=False))


def _misleading(value: str, *, inside: bool) -> bool:
    if not value or value != value.strip() or (inside and any(sign in value for sign in ',{}[]"')):
        return True
    try:
        json.loads(value)
    except ValueError:
        return False
    return True
