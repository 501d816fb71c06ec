"""The relay: data goes both ways, waits while it is cut, and a server that is away ends the connection."""

import socket

import pytest
from fakes.httpd import Answer, Httpd
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
        Relay(("127.0.0.1", server.port)) as relay,
        socket.create_connection(("127.0.0.1", relay.port), timeout=0.5) as connection,
    ):
        relay.cut()
        with pytest.raises(TimeoutError):
            ask(connection)
        relay.restore()
        connection.settimeout(10)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_server_that_is_away_ends_the_connection():
    (port,) = free_ports(1)
    with Relay(("127.0.0.1", port)) as relay, socket.create_connection(("127.0.0.1", relay.port), 10) as connection:
        assert ask(connection) == b""


def test_a_port_that_is_taken_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        relay = Relay(("127.0.0.1", 9), port=taken.getsockname()[1])
        with pytest.raises(ClusterError, match="cannot listen on"):
            relay.__enter__()
