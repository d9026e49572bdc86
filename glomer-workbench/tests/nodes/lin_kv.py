"""Registers. The first node has them, the others ask it.

Arguments break it: `stale` lets the others answer reads from what they last wrote or read,
`blind` lets cas succeed without comparing.
"""
import sys

from node import node

mode = sys.argv[1] if len(sys.argv) > 1 else "right"
values = {}


@node.on("read")
def read(message):
    body = message["body"]
    if node.id != node.nodes[0] and not (mode == "stale" and body["key"] in values):
        return forward(message)
    if body["key"] not in values:
        return node.error(20, "no such key")
    return {"type": "read_ok", "value": values[body["key"]]}


@node.on("write")
def write(message):
    body = message["body"]
    if node.id != node.nodes[0]:
        return forward(message)
    values[body["key"]] = body["value"]
    return {"type": "write_ok"}


@node.on("cas")
def cas(message):
    body = message["body"]
    if node.id != node.nodes[0]:
        return forward(message)
    if body["key"] not in values:
        return node.error(20, "no such key")
    if values[body["key"]] != body["from"] and mode != "blind":
        return node.error(22, "not the expected value")
    values[body["key"]] = body["to"]
    return {"type": "cas_ok"}


def forward(message):
    body = message["body"]
    # What a stale node goes on believing for good.
    if body["type"] == "write":
        values.setdefault(body["key"], body["value"])
    node.forward(message, node.nodes[0])


node.run()
