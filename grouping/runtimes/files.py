"""How many files this process may have open: a connection is one, and the system's limit is often below what is set."""

from __future__ import annotations

import resource

OWN = 256  # files beside the connections of senders: log, outbox, connections to subscriptions, what is being read


def allow(connections: int) -> int:
    """Raise the soft limit of open files as far as so many connections need; how many of them the hard limit leaves out."""
    needed = connections + OWN
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return 0
    reached = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (reached, hard))
    return needed - reached
