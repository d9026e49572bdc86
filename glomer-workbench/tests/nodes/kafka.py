"""Logs. The first node has them, the others ask it.

Arguments break it: with `lose`, every tenth message is acknowledged and not kept; with
`skip`, polls leave out a message now and then; with `back`, polls go back now and then. With
`null`, empty lists are null, as Go has them, which is right.
"""
import sys

from node import node

mode = sys.argv[1] if len(sys.argv) > 1 else "right"
logs = {}
committed = {}
offsets = {}
polls = 0


@node.on("send")
def send(message):
    if node.id != node.nodes[0]:
        return node.forward(message, node.nodes[0])
    key = message["body"]["key"]
    offset = offsets.get(key, 0)
    offsets[key] = offset + 1
    if not (mode == "lose" and offset % 10 == 7):
        logs.setdefault(key, []).append([offset, message["body"]["msg"]])
    return {"type": "send_ok", "offset": offset}


@node.on("poll")
def poll(message):
    global polls
    if node.id != node.nodes[0]:
        return node.forward(message, node.nodes[0])
    polls += 1
    odd = polls % 5 == 0
    msgs = {}
    for key, start in message["body"]["offsets"].items():
        if odd and mode == "back":
            start = max(0, start - 2)
        found = [m for m in logs.get(key, []) if m[0] >= start][:4]
        if odd and mode == "skip" and len(found) > 2:
            del found[1]
        msgs[key] = found or (None if mode == "null" else [])
    return {"type": "poll_ok", "msgs": msgs}


@node.on("commit_offsets")
def commit_offsets(message):
    if node.id != node.nodes[0]:
        return node.forward(message, node.nodes[0])
    for key, offset in message["body"]["offsets"].items():
        committed[key] = max(committed.get(key, 0), offset)
    return {"type": "commit_offsets_ok"}


@node.on("list_committed_offsets")
def list_committed_offsets(message):
    if node.id != node.nodes[0]:
        return node.forward(message, node.nodes[0])
    found = {k: committed[k] for k in message["body"]["keys"] if k in committed}
    return {"type": "list_committed_offsets_ok", "offsets": found}


node.run()
