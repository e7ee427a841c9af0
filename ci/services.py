"""Services that tests start on free ports of this machine, and that go away and come back: shared by `ci/outages` and
`ci/faults`. A `world` has a `folder` and a list of `running` processes."""

import glob
import os
import random
import shutil
import signal
import socket
import subprocess

from detecting import CannotRun, until


def free_port():
    """A port that is free, and below those that the system gives to outgoing connections: one of them could take it
    while the part is away."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Part:
    """A process at a port, which can go away and come back."""

    def __init__(self, world, name, command, port, **options):
        self.world, self.name, self.command, self.port, self.options = world, name, command, port, options
        self.process = None

    def start(self):
        with (self.world.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.options)
        self.world.running.append(self.process)
        until(f"{self.name}", 60, lambda: answers(self.port), self.process)

    def stop(self):
        self.process.kill()
        self.process.wait()


def script(*arguments):
    return subprocess.run(arguments, stdout=subprocess.PIPE, check=True, text=True, timeout=600).stdout.strip()


def postgres(world):
    """PostgreSQL in a folder of its own; it refuses to run as root."""
    folder, port = world.folder / "postgres", free_port()
    folder.mkdir()
    places = [*glob.glob("/usr/lib/postgresql/*/bin"), *os.environ["PATH"].split(":")]
    programs = {name: next((p for d in places if os.access(p := f"{d}/{name}", os.X_OK)), None)
                for name in ("initdb", "postgres", "psql")}
    if not all(programs.values()):
        raise CannotRun("PostgreSQL is not installed; ci/tools apt installs it")
    options = {}
    if os.geteuid() == 0:
        os.chmod(world.folder, 0o755)
        shutil.chown(folder, "nobody", "nogroup")
        options = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    data = str(folder / "data")
    subprocess.run([programs["initdb"], "-D", data, "-U", "floodmark", "-A", "trust", "-E", "UTF8", "--no-sync"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=120, **options)
    command = [programs["postgres"], "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1",
               "-c", f"unix_socket_directories={folder}"]
    part = Part(world, "postgresql", command, port, **options)
    # Killed like this it leaves children that hold the port for a moment; asked to go at once, it does not.
    part.stop = lambda: (part.process.send_signal(signal.SIGQUIT), part.process.wait(30))
    url = f"postgresql://floodmark@127.0.0.1:{port}/postgres"
    ask = lambda query: script(programs["psql"], url, "-At", "-c", query)  # noqa: E731
    return part, url, ask


def redis(world):
    """Redis that loses nothing when it is killed."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes",
               "--appendfsync", "always", "--dir", str(world.folder)]
    return Part(world, "redis", command, port)


def scorer(world):
    """Our own scorer."""
    port = free_port()
    return Part(world, "scorer", [world.program, "serve-model", "--listen", f"127.0.0.1:{port}"], port)
