"""Fills the router's queue for one model: `flood.py URL MODEL` prints `full` when a request was refused, and holds
all the others until its standard input ends.
"""

import json
import select
import socket
import sys
import urllib.parse

ENOUGH = 400
"""More than the queue of one model and all slots hold together."""
PATIENCE = 20
"""Seconds to wait for the first refusal."""

url = urllib.parse.urlsplit(sys.argv[1])
body = json.dumps({"model": sys.argv[2], "messages": [{"role": "user", "content": "Wait."}]}).encode()
head = f"POST /api/chat HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
waiting = []
for _ in range(ENOUGH):
    connection = socket.create_connection((url.hostname, url.port))
    connection.sendall(head + body)
    waiting.append(connection)
refused, _, _ = select.select(waiting, [], [], PATIENCE)
if not refused:
    sys.exit(f"{ENOUGH} requests wait, and none was refused in {PATIENCE} s")
status = refused[0].recv(12)
if status != b"HTTP/1.1 503":
    sys.exit(f"the first answer is {status!r}, not a refusal")
print("full", flush=True)
sys.stdin.read()
