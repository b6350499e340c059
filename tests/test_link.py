"""The two processes of the service talk, whatever else is open."""

from __future__ import annotations

import fcntl
import resource
import socket
from collections.abc import Iterator

import pytest

from grouping.runtimes.link import Blocking, Gone

BEYOND = 1500  # number of a file; as high as in a service with so many connections


@pytest.fixture
def roomy() -> Iterator[None]:
    """As many files as that may be open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard <= BEYOND:
        pytest.skip(f"no more than {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, BEYOND + 100), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("roomy")
def test_the_process_that_decides_is_heard_also_when_it_is_started_among_many_connections() -> None:
    """It inherits the number of its socket; a service with 1,024 connections must be able to start it again."""
    ours, its = socket.socketpair()
    with ours, its, socket.socket(fileno=fcntl.fcntl(its, fcntl.F_DUPFD_CLOEXEC, BEYOND)) as high:
        assert high.fileno() >= BEYOND
        one, other = Blocking(ours), Blocking(high)
        assert other.receive(0.0) == []
        one.send({"durable": 7})
        assert other.receive(None) == [{"durable": 7}]
        other.send({"at": 7})
        assert one.receive(None) == [{"at": 7}]
        ours.shutdown(socket.SHUT_RDWR)
        with pytest.raises(Gone):
            other.receive(None)
