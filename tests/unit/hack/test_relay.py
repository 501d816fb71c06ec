"""The relay: data goes both ways, waits while it is cut, and a server that is away ends the connection."""

import socket

import pytest
from fakes.httpd import Answer, Httpd
from localcluster import relay
from localcluster.console import ClusterError
from localcluster.ports import free_ports
from localcluster.relay import Relay

REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def ask(connection):
    connection.sendall(REQUEST)
    return connection.recv(1000)


def test_data_goes_both_ways_and_waits_while_it_is_cut():
    with (
        Httpd(lambda _: Answer(body="here")) as server,
        Relay(("127.0.0.1", server.port)) as way,
        socket.create_connection(("127.0.0.1", way.port), timeout=0.5) as connection,
    ):
        way.cut()
        with pytest.raises(TimeoutError):
            ask(connection)
        way.restore()
        connection.settimeout(10)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_server_that_is_away_ends_the_connection():
    (port,) = free_ports(1)
    with Relay(("127.0.0.1", port)) as way, socket.create_connection(("127.0.0.1", way.port), 10) as connection:
        assert ask(connection) == b""


def test_a_port_that_is_taken_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        late = Relay(("127.0.0.1", 9), port=taken.getsockname()[1])
        with pytest.raises(ClusterError, match="cannot listen on"):
            late.__enter__()


def test_a_relay_that_does_not_start_is_an_error(monkeypatch):
    monkeypatch.setattr(relay, "_WITHIN_SECONDS", 0.05)
    monkeypatch.setattr(Relay, "_run", lambda self: self._loop.close())
    with pytest.raises(ClusterError, match=r"does not listen on 127\.0\.0\.1:0 after 0\.05 s"):
        Relay(("127.0.0.1", 9)).__enter__()
