"""What the Python suites share: cells of the matrix, the truth from a node itself, and scripted trouble.

A suite knows its client library; this file knows none of them.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
import traceback
import urllib.request

BASE = os.environ["CLIENTS_BASE"]
"""Where the clients are pointed: at Herdwick, or with --direct at a node."""
NODES = os.environ["CLIENTS_NODES"].split(",")
"""The scripted nodes themselves."""
DEAD = os.environ["CLIENTS_DEAD"]
"""An address where nobody listens."""
DIRECT = os.environ["CLIENTS_DIRECT"] == "1"

CHAT = "llama3.2:3b"
THINKER = "qwen3:8b"
SEER = "gemma3:4b"
EMBEDDER = "nomic-embed-text:latest"
HEARER = "whisper:base"
SLASHED = "hf.co/a/b:Q4"
COLD = "cold:1b"
ALL = [CHAT, THINKER, SEER, EMBEDDER, HEARER, SLASHED, COLD]

HELLO = "Why do sheep flock?"
ASK_TOOL = "Use get_weather for Keswick."
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)

_cells = []


def cell(row, herdwick_only=False):
    """Registers one test as the cell of this row in its client's column."""

    def register(test):
        _cells.append((row, herdwick_only, test))
        return test

    return register


def run(client):
    """Runs all cells in the order they were written, one JSON line each."""
    for row, herdwick_only, test in _cells:
        result = {"row": row, "client": client, "outcome": "ok", "why": ""}
        if herdwick_only and DIRECT:
            result["outcome"] = "herdwick only"
        else:
            try:
                test()
            except Exception:
                result["outcome"], result["why"] = "FAILED", traceback.format_exc(limit=-4)
        print(json.dumps(result), flush=True)
    sys.stdout.flush()


def same(got, wanted):
    """Equality that tells both sides."""
    assert got == wanted, f"\n  got    {got!r}\n  wanted {wanted!r}"


def raises(kind, status, call):
    """The exception of exactly this class; `status` is one number or several, None where it has no status."""
    try:
        call()
    except Exception as error:
        assert type(error) is kind, f"{type(error).__mro__}: {error}"
        if status is not None:
            wanted = status if isinstance(status, tuple) else (status,)
            assert error.status_code in wanted, f"status {error.status_code}: {error}"
        return error
    raise AssertionError(f"no {kind.__name__}")


def truth(path, body=None):
    """What the node says when it is asked without any client and without Herdwick."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(NODES[0] + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def true_chat(model=CHAT, content=HELLO, **more):
    """The whole answer of /api/chat; without thoughts unless it is asked for them."""
    message = {"role": "user", "content": content, **more.pop("message", {})}
    body = {"model": model, "messages": [message], "stream": False, **more}
    return truth("/api/chat", body)


def true_text(model=CHAT, content=HELLO, **more):
    return true_chat(model, content, **more)["message"]["content"]


def fits_weather(arguments):
    """Whether a call's arguments fit the schema, and are those the node would give."""
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
    call = true_chat(content=ASK_TOOL, tools=[tool])["message"]["tool_calls"][0]["function"]
    same(arguments, call["arguments"])
    assert isinstance(arguments["city"], str) and isinstance(arguments["days"], int), arguments


def eventually(condition):
    """Herdwick lists what its last poll of the nodes saw, so what has just changed shows a moment later."""
    until = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < until, "still not so after 15 s"
        time.sleep(0.1)  # sleeps because there is no event to wait for: the next poll is the router's own affair


@contextlib.contextmanager
def scripted(*verbs):
    """These verbs on every node, several times over since Herdwick tries again elsewhere; gone afterwards."""
    try:
        for node in NODES:
            _control(node, "POST", {"verbs": list(verbs) * 4})
        yield
    finally:
        for node in NODES:
            _control(node, "DELETE", None)


@contextlib.contextmanager
def overload(*key):
    """No room for another request: a node says so itself, Herdwick once its queue is full of this client's own requests;
    `key` is the header line by which it shows who it is, if it does."""
    if DIRECT:
        busy = "server busy, please try again.  maximum pending requests exceeded"
        with scripted({"status": {"code": 503, "body": busy}}):
            yield
        return
    flood = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flood.py")
    with scripted("silent"):
        process = subprocess.Popen([sys.executable, flood, BASE, CHAT, *key], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            same(process.stdout.readline(), b"full\n")
            yield
        finally:
            process.stdin.close()
            process.wait()


def _control(node, method, body):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(node + "/_ctl", data, method=method)
    urllib.request.urlopen(request, timeout=20).close()
