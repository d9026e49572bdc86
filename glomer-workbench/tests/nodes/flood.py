#!/usr/bin/env python3
"""A broadcast node in virtual time that floods values to all nodes, but for some."""
import json
import sys

me, peers, held = "", [], set()


def send(dest, body):
    print(json.dumps({"src": me, "dest": dest, "body": body}))


def handle(src, body):
    global peers
    kind, answer = body["type"], {}
    if kind == "init":
        peers = [node for node in body["node_ids"] if node != me]
    elif kind == "broadcast":
        value = body["message"]
        if value not in held:
            held.add(value)
            for peer in peers:
                if not (KEEP_BACK):
                    send(peer, {"type": "broadcast", "message": value})
    elif kind == "read":
        answer = {"messages": sorted(held)}
    if "msg_id" in body:
        send(src, {"type": kind + "_ok", "in_reply_to": body["msg_id"], **answer})


for line in sys.stdin:
    turn = json.loads(line)
    me, clock = turn["dest"], turn["body"]
    for _ in range(clock["messages"]):
        message = json.loads(sys.stdin.readline())
        handle(message["src"], message["body"])
    send("clock", {"type": "clock_ok", "in_reply_to": clock["msg_id"], "next": None})
    sys.stdout.flush()
