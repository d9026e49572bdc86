"""A Maelstrom node in a few lines, for the workbench's own tests."""

import json
import queue
import sys
import threading
import time


class Node:
    """Reads messages, hands requests to handlers by their type, and answers."""

    def __init__(self):
        self.id = None
        self.peers = []
        self.handlers = {"init": self._init}
        self.ticks = []
        self.last_id = 0

    def _init(self, message):
        self.id = message["body"]["node_id"]
        self.peers = [n for n in message["body"]["node_ids"] if n != self.id]
        return {"type": "init_ok"}

    def on(self, kind):
        """Registers the handler of a type; what it returns is the answer's body."""

        def register(handler):
            self.handlers[kind] = handler
            return handler

        return register

    def every(self, seconds):
        """Registers a function that runs now and then, once the node is initialised."""

        def register(function):
            self.ticks.append([seconds, 0.0, function])
            return function

        return register

    def send(self, dest, body):
        message = {"src": self.id, "dest": dest, "body": body}
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    def reply(self, message, body):
        self.send(message["src"], {**body, "in_reply_to": message["body"]["msg_id"]})

    def error(self, code, text):
        return {"type": "error", "code": code, "text": text}

    def run(self):
        lines = queue.Queue()

        def read():
            for line in sys.stdin:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        while True:
            try:
                line = lines.get(timeout=min([t[0] for t in self.ticks], default=None))
                if line is None:
                    return
                message = json.loads(line)
                handler = self.handlers.get(message["body"]["type"])
                answer = handler(message) if handler else None
                if answer is not None and "msg_id" in message["body"]:
                    self.reply(message, answer)
            except queue.Empty:
                pass
            now = time.monotonic()
            for tick in self.ticks:
                if self.id and now - tick[1] >= tick[0]:
                    tick[1] = now
                    tick[2]()


node = Node()
