"""Memory of a service that has no account yet, and of idle HTTP connections."""

import concurrent.futures
import http.client
import socket
import time

from table import below, note

CONNECTIONS = 1000


def measure(stack, table):
    service = stack.serve(stack.mail)
    time.sleep(1)
    table.add("memory before the first account", [service.rss() / 1e6], "MB", digits=1)
    path = "/v1/accounts"
    # The code that answers is loaded by the first requests; it is no cost of a connection.
    for _ in range(200):
        service.call("GET", path)
    costs = []
    for _ in range(stack.rounds):
        time.sleep(1)
        costs.append(cost_of_connections(service, path))
        note(f"{CONNECTIONS} idle connections: {costs[-1]:.2f} KB each")
    # The first round is the honest one: later rounds find memory that the first one left.
    table.add("memory of an idle HTTP connection after a request to the database (first round)",
              costs, "KB", below(8), best=0)


def cost_of_connections(service, path):
    """KB that each of 1,000 connections takes that asked once and stay open."""
    before = service.rss()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        connections = list(pool.map(lambda _: connect(service, path), range(CONNECTIONS)))
    time.sleep(1)
    cost = (service.rss() - before) / CONNECTIONS / 1024
    for connection in connections:
        connection.close()
    return cost


def connect(service, path):
    host, port = service.address.split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {service.address}\r\n"
                       f"Authorization: Bearer {service.token}\r\n\r\n".encode())
    response = http.client.HTTPResponse(connection)
    response.begin()
    if response.status != 200:
        raise RuntimeError(f"status {response.status}")
    response.read()
    return connection
