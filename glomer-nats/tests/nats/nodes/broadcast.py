"""A node for the workload broadcast. Told `once`, it tells others of a value once; otherwise it
tells them again and again, until they have said that they have it."""

import json
import os
import sys
import threading

ONCE = sys.argv[1:] == ["once"]
lock = threading.RLock()
node, peers = None, []
values = set()
untold = {}  # for each peer, what it has not acknowledged


def send(dest, body):
    with lock:
        print(json.dumps({"src": node, "dest": dest, "body": body}), flush=True)


def reply(message, body):
    send(message["src"], {**body, "in_reply_to": message["body"]["msg_id"]})


def learn(new, teacher):
    values.update(new)
    for peer in peers:
        if peer != teacher:
            untold[peer] |= new
            send(peer, {"type": "learn", "values": sorted(new)})


def again():
    with lock:
        for peer, unknown in untold.items():
            if unknown:
                send(peer, {"type": "learn", "values": sorted(unknown)})
    timer = threading.Timer(0.1, again)
    timer.daemon = True
    timer.start()


def handle(message):
    global node, peers
    body, src = message["body"], message["src"]
    kind = body["type"]
    if kind == "init":
        node = body["node_id"]
        peers = [peer for peer in body["node_ids"] if peer != node]
        untold.update((peer, set()) for peer in peers)
        if not ONCE:
            again()
        reply(message, {"type": "init_ok"})
    elif kind == "topology":
        reply(message, {"type": "topology_ok"})
    elif kind == "broadcast":
        new = {body["message"]} - values
        if new:
            learn(new, None)
        reply(message, {"type": "broadcast_ok"})
    elif kind == "learn":
        new = set(body["values"]) - values
        if new:
            learn(new, src)
        send(src, {"type": "learn_ok", "values": body["values"]})
    elif kind == "learn_ok":
        untold[src] -= set(body["values"])
    elif kind == "read":
        reply(message, {"type": "read_ok", "messages": sorted(values)})


for line in sys.stdin:
    with lock:
        handle(json.loads(line))
os._exit(0)
