#!/usr/bin/env python3
"""The lock service again: n0 keeps the locks, and the other nodes ask it.

With the argument `each`, every node keeps locks of its own, which is wrong.
"""
import json
import sys

taken = set()
asked = {}
me = None
ids = 0


def send(dest, body):
    print(json.dumps({"src": me, "dest": dest, "body": body}), flush=True)


for line in sys.stdin:
    message = json.loads(line)
    src, body = message["src"], message["body"]
    kind = body["type"]
    if kind == "init":
        me = body["node_id"]
        send(src, {"type": "init_ok", "in_reply_to": body["msg_id"]})
    elif "in_reply_to" in body:
        client, msg_id = asked.pop(body["in_reply_to"])
        send(client, {**body, "in_reply_to": msg_id})
    elif me != "n0" and "each" not in sys.argv:
        ids += 1
        asked[ids] = (src, body["msg_id"])
        send("n0", {**body, "msg_id": ids})
    elif kind == "acquire":
        granted = body["lock"] not in taken
        taken.add(body["lock"])
        send(src, {"type": "acquire_ok", "granted": granted, "in_reply_to": body["msg_id"]})
    elif kind == "release":
        taken.discard(body["lock"])
        send(src, {"type": "release_ok", "in_reply_to": body["msg_id"]})
