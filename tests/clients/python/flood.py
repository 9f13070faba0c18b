"""Fills the router's queue for one model: `flood.py URL MODEL [HEADER]` prints `full` when a request was refused, and
holds all the others until its standard input ends. With the header line by which a client shows its key all of it counts
as that client's: another one would be let in instead of the last of the flood.
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
key = "".join(f"{line}\r\n" for line in sys.argv[3:])
head = f"POST /api/chat HTTP/1.1\r\nHost: {url.netloc}\r\n{key}Content-Length: {len(body)}\r\n\r\n".encode()
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
