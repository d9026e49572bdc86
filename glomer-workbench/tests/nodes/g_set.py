"""A set that all nodes tell each other of. With the argument `lose`, some elements get lost."""
import sys

from node import node

lose = "lose" in sys.argv
seen = set()


@node.on("add")
def add(message):
    element = message["body"]["element"]
    if not (lose and element % 10 == 7):
        seen.add(element)
    return {"type": "add_ok"}


@node.on("read")
def read(_):
    return {"type": "read_ok", "value": sorted(seen)}


@node.on("gossip")
def gossip(message):
    seen.update(message["body"]["seen"])


@node.every(0.1)
def spread():
    for peer in node.peers:
        node.send(peer, {"type": "gossip", "seen": sorted(seen)})


node.run()
