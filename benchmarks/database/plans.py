"""The plans of the statements inside the functions, as the server itself reports them (auto_explain)."""

from __future__ import annotations

import re
from dataclasses import replace

import psycopg

from benchmarks.database.operations import Connection, Operation, latencies

_SETTINGS = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_level": "notice",
    "client_min_messages": "notice",
}
_OF_JOBS = re.compile(r" on (public\.)?jobs\b(?!_events)")
# PostgreSQL's own look at the job that a row of history belongs to: one row by its primary key.
_FOREIGN_KEY = re.compile(r" on jobs x\b")
# Nodes, and what they read; filters and keys are left to those who run it themselves.
_NODE = re.compile(
    r"^(?P<indent> *)(?:->  )?(?P<what>[A-Z]\w.*?)  \(cost=.*?\)(?: \(actual rows=(?P<rows>[\d.]+).*\))?"
)
_DETAIL = re.compile(r"^ +(?P<what>Index Cond: .*|Conflict Arbiter.*|Buffers: .*|Heap Fetches: .*)")
# After five calls a function's statement may get a plan that fits any argument: that is the one to show.
CALLS = 7


class Explainer:
    """A connection whose statements report their plans."""

    def __init__(self, uri: str) -> None:
        self.connection: Connection = psycopg.connect(uri, autocommit=True)
        self.connection.execute("load 'auto_explain'")
        for name, value in _SETTINGS.items():
            self.connection.execute("select set_config(%s, %s, false)", [name, value])
        self._notices: list[str] = []
        self.connection.add_notice_handler(lambda notice: self._notices.append(notice.message_primary or ""))

    def explain(self, operation: Operation) -> str:
        """Do the first calls and return, in short form, the plan of what the last one does to the table of jobs."""
        for arguments in operation.arguments[:CALLS]:
            self._notices.clear()
            latencies(self.connection, replace(operation, arguments=[arguments]))
        plans = [notice.partition("plan:\n")[2] for notice in self._notices]
        return "\n".join(_short(plan) for plan in plans if _OF_JOBS.search(plan) and not _FOREIGN_KEY.search(plan))


def _short(plan: str) -> str:
    lines = []
    indent, buffers_told = "", False
    for line in plan.partition("\n")[2].splitlines():
        if node := _NODE.match(line):
            indent = node["indent"]
            rows = f" (rows={float(node['rows']):g})" if node["rows"] else ""
            lines.append(f"{indent}{'-> ' if indent else ''}{node['what']}{rows}")
        elif detail := _DETAIL.match(line):
            # The first line of buffers is that of the whole statement.
            if detail["what"].startswith("Buffers"):
                if buffers_told:
                    continue
                buffers_told = True
            lines.append(f"{indent}     {detail['what']}")
    return "\n".join(lines)
