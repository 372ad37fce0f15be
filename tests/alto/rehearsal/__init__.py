"""A small ALTO server in the place of the network, for rehearsals of the walker. Its maps are those of RFC 7285 section 11.2 and
RFC 8189 section 5.2, repaired where those contradict themselves. It computes with the walker's own functions: what it proves is that
the walker is content with a right server and that it notices a wrong one."""

from .parts import BASE
from .server import Server

__all__ = ["BASE", "Server"]
