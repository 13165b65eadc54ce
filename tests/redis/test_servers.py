"""The servers of the tests do what the tests think they do."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from servers import clusters, finding, stations
from servers.processes import wait_for
from servers.resp import HOST, ServerError, Wire


def test_a_server_answers_and_is_gone_afterwards(server):
    assert server.send("PING") == "PONG"
    pid, folder = server.process.pid, server.folder
    server.stop()
    server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not folder.exists()


def test_a_server_is_what_it_is_said_to_be(engine, server):
    said = server.send("INFO", "server")
    name = "valkey_version" if engine.is_valkey else "redis_version"
    assert f"{name}:{engine.name.partition('-')[2]}." in said


def test_a_killed_server_comes_back_empty_at_its_port(server):
    server.send("SET", "k", "v")
    port = server.port
    server.kill()
    with pytest.raises(ConnectionRefusedError):
        server.send("PING")
    server.start()
    assert (server.port, server.send("GET", "k")) == (port, None)


def test_a_paused_server_takes_connections_and_says_nothing(server):
    server.pause()
    with Wire(server.address, timeout=0.05) as wire, pytest.raises(TimeoutError):
        wire.send("PING")
    server.resume()
    assert server.send("PING") == "PONG"


def test_a_unix_socket_and_a_password(start_server):
    server = start_server(unix=True, password="secret")
    assert server.url == f"unix://:secret@{server.path}"
    assert server.send("PING") == "PONG"
    with Wire(server.path) as wire, pytest.raises(ServerError, match="NOAUTH"):
        wire.send("PING")


def test_commands_are_counted_but_for_those_that_look(server):
    server.send("SET", "a", 1)
    server.send("GET", "a")
    before = server.commands()
    server.send("GET", "a")
    server.send("EVAL", "return redis.call('GET', KEYS[1])", 1, "a")
    assert server.commands() - before == {"get": 2, "eval": 1}


@pytest.mark.parametrize("name", stations.names())
def test_each_station_stands(name):
    station = stations.station(name)
    expected = {"standalone": 1, "cluster": 3, "sentinel": 2}[name.rpartition("-")[2]]
    assert len(station.nodes) == expected
    assert stations.station(name) is station


def test_a_slot_moves(engine):
    cluster = stations.station(f"{engine.name}-cluster")
    slot = clusters.slot("moved")
    assert slot == cluster.nodes[0].send("CLUSTER", "KEYSLOT", "moved")
    assert clusters.slot("a{moved}b{c}") == slot
    source = cluster.home("moved")
    target = next(node for node in cluster.nodes if node is not source)
    source.send("SET", "moved", "v")
    cluster.begin_moving(slot, target)
    with pytest.raises(ServerError, match=f"ASK {slot}"):
        source.send("GET", "moved")
    cluster.finish_moving(slot, source, target)
    with pytest.raises(ServerError, match=f"MOVED {slot}"):
        source.send("GET", "moved")
    assert target.send("GET", "moved") == "v"
    target.send("DEL", "moved")
    cluster.begin_moving(slot, source)
    cluster.finish_moving(slot, target, source)


def test_a_proxy_passes_on_counts_delays_and_falls_silent(server, start_proxy):
    proxy = start_proxy(server.address)
    address = (HOST, proxy.port)
    with Wire(address, timeout=0.1) as wire:
        assert [wire.send("PING"), wire.send("PING")] == ["PONG", "PONG"]
        assert (proxy.taken, proxy.requests) == (1, 2)
        proxy.delay = 0.02
        assert wire.send("PING") == "PONG"
        proxy.delay, proxy.silent = 0, True
        with pytest.raises(TimeoutError):
            wire.send("PING")
        proxy.cut()
        with pytest.raises((ConnectionError, OSError)):
            wire.receive()
    server.kill()
    with Wire(address) as wire, pytest.raises(ConnectionError):
        wire.send("PING")


def test_a_black_hole_takes_nobody(black_hole):
    with pytest.raises(TimeoutError):
        Wire((HOST, black_hole.port), timeout=0.05)


def test_tls_is_spoken_by_who_knows_the_authority(server, start_proxy, authority):
    proxy = start_proxy(server.address, tls=authority.context)
    assert proxy.url.startswith("rediss://")
    context = ssl.create_default_context(cafile=authority.ca)
    with Wire((HOST, proxy.port)) as wire:
        wire.socket = context.wrap_socket(wire.socket, server_hostname=HOST)
        wire._reader = wire.socket.makefile("rb")
        assert wire.send("PING") == "PONG"


def test_servers_die_with_a_run_that_was_killed(engine):
    script = (
        "import sys, time\n"
        f"sys.path.append({str(Path(__file__).parent)!r})\n"
        "from servers.finding import identify\n"
        "from servers.processes import Server\n"
        f"server = Server(identify({engine.path!r}), unix=True).start()\n"
        "print(server.folder, server.path, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as run:
        folder, path = run.stdout.readline().split()
        Wire(path).close()
        run.send_signal(signal.SIGKILL)

    def gone():
        try:
            Wire(path).close()
        except ConnectionRefusedError:
            return True
        return False

    wait_for(gone, "its end")
    shutil.rmtree(folder)


def test_an_absent_server_is_a_failure_unless_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(finding, "engines", lambda: ())
    with pytest.raises(pytest.fail.Exception, match="CACHU_TEST_REDIS_SERVER"):
        finding.engine()
    monkeypatch.setenv("CACHU_TEST_REDIS", "off")
    with pytest.raises(pytest.skip.Exception):
        finding.engine()


def test_a_server_that_is_named_comes_first(monkeypatch, server, tmp_path):
    """CACHU_TEST_REDIS_URL, then Docker, then what CACHU_TEST_REDIS_SERVER says, then the rest."""
    monkeypatch.setenv("CACHU_TEST_REDIS_SERVER", server.engine.path)
    assert finding.engines.__wrapped__() == (server.engine,)
    monkeypatch.setenv("CACHU_TEST_REDIS_ONLY", "nothing")
    assert finding.engines.__wrapped__() == ()
    monkeypatch.setenv("CACHU_TEST_REDIS_URL", server.url)
    assert stations.shared_url.__wrapped__() == server.url


def test_a_docker_daemon_is_found_by_its_answer(monkeypatch, tmp_path):
    path = str(tmp_path / "docker.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    assert not finding.docker_answers()
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(path)
        daemon.listen()

        def answer():
            client, _ = daemon.accept()
            with client:
                client.recv(1024)
                client.sendall(b"HTTP/1.0 200 OK\r\n\r\nOK")

        thread = threading.Thread(target=answer)
        thread.start()
        assert finding.docker_answers()
        thread.join()
    assert not finding.docker_answers()
