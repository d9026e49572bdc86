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
        self.nodes = []
        self.peers = []
        self.handlers = {"init": self._init}
        self.ticks = []
        self.last_id = 0
        self.calls = {}

    def _init(self, message):
        self.id = message["body"]["node_id"]
        self.nodes = message["body"]["node_ids"]
        self.peers = [n for n in self.nodes if n != self.id]
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

    def call(self, dest, body, callback):
        """Sends a request; the callback gets the answer's body."""
        self.last_id += 1
        self.calls[self.last_id] = callback
        self.send(dest, {**body, "msg_id": self.last_id})

    def forward(self, message, dest):
        """Lets someone else answer a request."""

        def pass_on(answer):
            answer = {k: v for k, v in answer.items() if k not in ("msg_id", "in_reply_to")}
            self.reply(message, answer)

        body = {k: v for k, v in message["body"].items() if k != "msg_id"}
        self.call(dest, body, pass_on)

    def handle(self, message):
        body = message["body"]
        if "in_reply_to" in body:
            callback = self.calls.pop(body["in_reply_to"], None)
            if callback:
                callback(body)
            return
        handler = self.handlers.get(body["type"])
        answer = handler(message) if handler else None
        if answer is not None and "msg_id" in body:
            self.reply(message, answer)

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
                self.handle(json.loads(line))
            except queue.Empty:
                pass
            now = time.monotonic()
            for tick in self.ticks:
                if self.id and now - tick[1] >= tick[0]:
                    tick[1] = now
                    tick[2]()


node = Node()
