"""A node in plain Python, which also does what no node should."""
import json
import os
import sys

me, counter = None, 0


def send(dest, body):
    print(json.dumps({"src": me, "dest": dest, "body": body}), flush=True)


for line in sys.stdin:
    message = json.loads(line)
    src, body = message["src"], message["body"]
    kind, reply = body["type"], {"in_reply_to": body.get("msg_id"), "type": body["type"] + "_ok"}
    if kind == "init":
        me = body["node_id"]
    elif kind == "echo":
        reply["echo"] = body["echo"]
    elif kind == "add":
        # One for here, and one for each node that it is passed on to.
        counter += 1
        for node in body.get("pass_on", []):
            send(node, {"type": "add"})
    elif kind == "read":
        reply["value"] = counter
    elif kind == "pid":
        reply["pid"] = os.getpid()
    elif kind == "die":
        sys.exit(3)
    elif kind == "print":
        print(body["text"], flush=True)
    elif kind == "tell":
        print(body["text"], file=sys.stderr, flush=True)
    elif kind == "long":
        reply["text"] = "x" * body["bytes"]
    elif kind == "flood":
        print("flooding", file=sys.stderr, flush=True)
        for _ in range(body["messages"]):
            send(body["dest"], {"type": "add", "text": "x" * body["bytes"]})
        print("flooded", file=sys.stderr, flush=True)
    if "msg_id" in body:
        send(src, reply)

print("the input has ended", file=sys.stderr)
