"""Registers that are those of the service named as the argument."""
import sys

from node import node


def forward(message):
    node.forward(message, sys.argv[1])


for kind in ["read", "write", "cas"]:
    node.on(kind)(forward)

node.run()
