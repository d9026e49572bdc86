#!/usr/bin/env python3
"""A broadcast node in virtual time that tells the others once a second what is new to it."""
import json
import sys

SECOND = 1_000_000_000  # nanoseconds

me, peers, held, new, due = "", [], set(), [], SECOND


def send(dest, body):
    print(json.dumps({"src": me, "dest": dest, "body": body}))


def handle(src, body):
    global peers
    kind, answer = body["type"], {}
    if kind == "init":
        peers = [node for node in body["node_ids"] if node != me]
    elif kind == "broadcast":
        new.append(body["message"])
        held.add(body["message"])
    elif kind == "news":
        return held.update(body["values"])
    elif kind == "read":
        answer = {"messages": sorted(held)}
    send(src, {"type": kind + "_ok", "in_reply_to": body["msg_id"], **answer})


for line in sys.stdin:
    turn = json.loads(line)
    me, clock = turn["dest"], turn["body"]
    if clock["now"] >= due:
        due = clock["now"] + SECOND
        values = [value for value in new if not (KEEP_BACK)]
        for peer in peers if values else []:
            send(peer, {"type": "news", "values": values})
        new.clear()
    for _ in range(clock["messages"]):
        message = json.loads(sys.stdin.readline())
        handle(message["src"], message["body"])
    send("clock", {"type": "clock_ok", "in_reply_to": clock["msg_id"], "next": due})
    sys.stdout.flush()
