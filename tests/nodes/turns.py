#!/usr/bin/env python3
"""A node in virtual time, by the clock protocol: it spreads what it is told by gossip."""
import json
import random
import sys

GOSSIP = 200_000_000  # nanoseconds

me, peers, now, rng = "", [], 0, None
held, next_gossip = set(), None


def send(dest, body):
    print(json.dumps({"src": me, "dest": dest, "body": body}))


def handle(src, body):
    global peers, next_gossip
    kind, answer = body["type"], {}
    if kind == "init":
        peers = [node for node in body["node_ids"] if node != me]
        next_gossip = now + GOSSIP
    elif kind == "broadcast":
        held.add(body["message"])
    elif kind == "read":
        answer = {"messages": sorted(held)}
    elif kind == "gossip":
        return held.update(body["messages"])
    send(src, {"type": kind + "_ok", "in_reply_to": body["msg_id"], **answer})


def do_what_is_due():
    global next_gossip
    if next_gossip is not None and next_gossip <= now:
        next_gossip = now + GOSSIP
        if peers:
            send(rng.choice(peers), {"type": "gossip", "messages": sorted(held)})


for line in sys.stdin:
    turn = json.loads(line)
    me, clock = turn["dest"], turn["body"]
    now = clock["now"]
    if rng is None:
        rng = random.Random(clock["seed"])
    do_what_is_due()
    for _ in range(clock["messages"]):
        message = json.loads(sys.stdin.readline())
        handle(message["src"], message["body"])
    done = {"type": "clock_ok", "in_reply_to": clock["msg_id"], "next": next_gossip}
    send("clock", done)
    sys.stdout.flush()
