"""Transactions over lists or registers. The first node has them, the others ask it.

The second argument breaks it:
- `g0`: writes go to the places of two transactions in different orders,
- `g1a`: some transactions are aborted and stay visible,
- `g1b`: some transactions show what another had not finished writing,
- `gsingle`: read-only transactions see one key as it was and another as it is,
- `zero`: registers that nobody wrote read as 0,
- `empty`: every transaction is answered with no operations.
"""
import sys

from node import node

kind = sys.argv[1]
mode = sys.argv[2] if len(sys.argv) > 2 else "right"
data = {}
old = {}
count = 0
# A transaction that was left half done.
half = None


def apply(txn, state):
    done = []
    for f, key, value in txn:
        if f == "r":
            found = state.get(key, 0 if mode == "zero" else None)
            done.append([f, key, list(found) if isinstance(found, list) else found])
        elif f == "append":
            state[key] = [*state.get(key, []), value]
            done.append([f, key, value])
        else:
            state[key] = value
            done.append([f, key, value])
    return done


@node.on("txn")
def txn(message):
    global count, half
    if node.id != node.nodes[0]:
        return node.forward(message, node.nodes[0])
    if mode == "empty":
        return {"type": "txn_ok", "txn": []}
    count += 1
    ops = message["body"]["txn"]
    writes = [op for op in ops if op[0] != "r"]
    if mode == "g1a" and writes and count % 7 == 0:
        apply(ops, data)
        return node.error(30, "aborted, they say")
    if mode == "gsingle" and not writes and len({op[1] for op in ops}) > 1:
        first = ops[0][1]
        views = {key: old.get(key) if key == first else data.get(key) for key in data}
        return {"type": "txn_ok", "txn": apply(ops, {k: v for k, v in views.items() if v})}
    if mode in ("g0", "g1b"):
        if half is not None:
            # This one begins in the middle of the other.
            other, rest = half
            half = None
            if mode == "g0":
                # Here this one is first, where it began second.
                done = apply(ops, data)
                node.reply(other, {"type": "txn_ok", "txn": rest["done"] + apply(rest["ops"], data)})
                return {"type": "txn_ok", "txn": done}
            done = apply(ops, data)
            node.reply(other, {"type": "txn_ok", "txn": rest["done"] + apply(rest["ops"], data)})
            return {"type": "txn_ok", "txn": done}
        if len(writes) > 1:
            half = message, {"done": apply(ops[:-1], data), "ops": ops[-1:]}
            return None
    if count % 20 == 0:
        old.clear()
        old.update(data)
    return {"type": "txn_ok", "txn": apply(ops, data)}


node.run()
