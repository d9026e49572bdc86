"""Right: sends back what it is sent."""
from node import node


@node.on("echo")
def echo(message):
    return {"type": "echo_ok", "echo": message["body"]["echo"]}


node.run()
