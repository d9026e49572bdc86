#!/usr/bin/env python3
"""The lock service again, in another language: n0 keeps the locks, and the other nodes ask it.
Nobody loses a lock before giving it back.

With the argument `each`, every node keeps locks of its own, which is wrong.
"""
import json
import sys

tokens = {}
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
    else:
        lock = body["lock"]
        reply = {"type": kind + "_ok", "in_reply_to": body["msg_id"]}
        if kind == "acquire":
            reply["token"] = None
            if lock not in taken:
                taken.add(lock)
                reply["token"] = tokens[lock] = tokens.get(lock, 0) + 1
        elif kind == "write":
            reply["accepted"] = lock in taken and body["token"] == tokens[lock]
        elif kind == "release":
            taken.discard(lock)
        send(src, reply)
