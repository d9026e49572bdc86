"""Broadcast by gossip: each node tells its peers all it knows, now and then.

With the argument `repair` it tells them everything each time, and so survives a lost message.
Others break it: `lose` forgets every tenth value, `stale` never hears of others.
"""
import sys

from node import node

mode = sys.argv[1] if len(sys.argv) > 1 else "right"
seen = set()
told = {}


@node.on("topology")
def topology(_):
    return {"type": "topology_ok"}


@node.on("broadcast")
def broadcast(message):
    value = message["body"]["message"]
    if not (mode == "lose" and value % 10 == 7):
        seen.add(value)
    return {"type": "broadcast_ok"}


@node.on("read")
def read(_):
    return {"type": "read_ok", "messages": sorted(seen)}


@node.on("gossip")
def gossip(message):
    if mode != "stale":
        values = message["body"]["values"]
        seen.update(values)
        told.setdefault(message["src"], set()).update(values)


@node.every(0.1 if mode == "repair" else 0.05)
def spread():
    for peer in node.peers:
        if mode == "repair":
            told[peer] = set()
        if news := seen - told.setdefault(peer, set()):
            node.send(peer, {"type": "gossip", "values": sorted(news)})


node.run()
