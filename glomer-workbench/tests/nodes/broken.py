"""An echo node that breaks the protocol, as the argument says, when it is asked for the third time."""
import os
import sys
import time

from node import node

mode = sys.argv[1]
count = 0

if mode == "exits-at-once":
    print("cannot find my configuration", file=sys.stderr)
    sys.exit(7)


@node.on("echo")
def echo(message):
    global count
    count += 1
    if count == 3:
        print(f"about to break: {mode}", file=sys.stderr, flush=True)
        if mode == "crashes":
            raise RuntimeError("something is terribly wrong")
        if mode == "kills-itself":
            os.kill(os.getpid(), 9)
        if mode == "prints":
            print("got an echo request", flush=True)
        if mode == "half-a-line":
            sys.stdout.write('{"src": "n0"')
            sys.stdout.flush()
            sys.exit(0)
        if mode == "no-body":
            print('{"src": "n0", "dest": "n1"}', flush=True)
        if mode == "stranger":
            node.send("n99", {"type": "hello"})
        if mode == "closes-output":
            os.close(1)
            time.sleep(60)
        if mode == "hangs":
            time.sleep(60)
    if count >= 3 and mode == "wrong-type":
        return {"type": "echoed", "echo": message["body"]["echo"]}
    if count >= 3 and mode == "extra-field":
        return {"type": "echo_ok", "echo": message["body"]["echo"], "more": 1}
    return {"type": "echo_ok", "echo": message["body"]["echo"]}


if mode == "no-init":
    node.on("init")(lambda message: None)
if mode == "no-line-break":
    node.on("init")(lambda message: sys.stdout.write('{"type": "init_ok"') and sys.stdout.flush())
if mode == "init-error":
    node.id = "n0"
    node.on("init")(lambda message: node.error(13, "not today"))
if mode == "goes-on-and-on":
    node.on("echo")(lambda message: {"type": "echo_ok", "echo": "x" * 300_000})
if mode == "changes":
    node.on("echo")(lambda message: {"type": "echo_ok", "echo": "something else"})

node.run()
