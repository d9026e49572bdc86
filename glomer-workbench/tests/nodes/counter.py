"""A counter as a sum of each node's own. With the argument `forget`, adds of 4 are not kept."""
import sys

from node import node

forget = "forget" in sys.argv
# For each node, how many adds it has had, and their sum.
counts = {}


@node.on("add")
def add(message):
    delta = message["body"]["delta"]
    version, total = counts.get(node.id, [0, 0])
    if not (forget and delta == 4):
        counts[node.id] = [version + 1, total + delta]
    return {"type": "add_ok"}


@node.on("read")
def read(_):
    return {"type": "read_ok", "value": sum(total for _, total in counts.values())}


@node.on("gossip")
def gossip(message):
    for other, theirs in message["body"]["counts"].items():
        counts[other] = max(counts.get(other, [0, 0]), theirs)


@node.every(0.1)
def spread():
    for peer in node.peers:
        node.send(peer, {"type": "gossip", "counts": counts})


node.run()
