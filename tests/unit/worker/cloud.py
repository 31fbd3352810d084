"""What a task talks to: a stand-in for the SQL functions of the job's row, and moto's S3."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

SERVICE_KEY = "sb_secret_never_in_any_log"
TASK_ARN = "arn:aws:ecs:us-east-1:000000000000:task/tamma-dev-cluster/0123"


@dataclass
class FakeSupabase:
    """Answers ``/rest/v1/rpc/<function>`` like PostgREST, and ``/task`` like the task metadata endpoint.

    ``answers`` replaces a function's answer: a value, or a callable of the parameters. ``broken`` gives a function (or
    ``*``) as many 503 answers first. ``slow`` delays a function's answers by seconds.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Self:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(200, {"TaskARN": TASK_ARN})

            def do_POST(self) -> None:
                function = self.path.rpartition("/")[2]
                parameters = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._send(*fake.answer(function, parameters, self.headers["apikey"]))

            def _send(self, status: int, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, function: str, parameters: dict[str, Any], key: str) -> tuple[int, Any]:
        if key != SERVICE_KEY:
            return 401, {"message": "no"}
        with self._changed:
            self.calls.append((function, parameters))
            self._changed.notify_all()
            for name in (function, "*"):
                if self.broken.get(name, 0) > 0:
                    self.broken[name] -= 1
                    return 503, {"message": "unavailable", "code": "503", "hint": None, "details": None}
        if function in self.slow:
            time.sleep(self.slow[function])
        answer = self.answers.get(function, "retrying" if function == "retry_job" else True)
        return 200, answer(parameters) if callable(answer) else answer

    def named(self, function: str) -> list[dict[str, Any]]:
        """Parameters of every call of one function so far."""
        return [parameters for name, parameters in self.calls if name == function]

    def wait_for(self, condition: Any, seconds: float = 30) -> None:
        """Wait until ``condition()`` holds after some call."""
        with self._changed:
            assert self._changed.wait_for(condition, seconds), self.calls
