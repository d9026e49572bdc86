"""Identifiers from a name and a count.

With the argument `dup`, every tenth comes twice; with `deaf`, every tenth request is not answered;
with `wide`, they are integers of 105 bits.
"""
import sys

from node import node

dup = "dup" in sys.argv
deaf = "deaf" in sys.argv
wide = "wide" in sys.argv
count = 0


@node.on("generate")
def generate(_):
    global count
    count += 1
    if deaf and count % 10 == 0:
        return None
    number = count - 1 if dup and count % 10 == 0 else count
    if wide:
        return {"type": "generate_ok", "id": 1 << 104 | int(node.id[1:]) << 32 | number}
    return {"type": "generate_ok", "id": f"{node.id}-{number}"}


node.run()
