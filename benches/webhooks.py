#!/usr/bin/env python3
"""Measures how long it takes from a webhook to the commit that it leads to.

    benches/webhooks.py target/release/tagboat [--samples 50] [--busy 20]

In one process, and with three replicas over `nats-server`; for one repository alone, and while `--busy` others are kept
busy by webhooks of their own. A registry in this process counts up a version before each webhook, bare repositories lie in
a temporary folder, and the moment of the commit is that at which the branch points to it. Everything is on loopback.
"""

import argparse
import http.server
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

CONFIG = """version: 1
images: [{{match: "{host}/**", semver: minor}}]
environments: [{{name: dev, files: [dev/**], publish: commit}}]
"""
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec: {{template: {{spec: {{containers: [{{name: web, image: "{host}/acme/web{number}:1.0.0"}}]}}}}}}
"""
PATIENCE = 60


class Registry(http.server.ThreadingHTTPServer):
    """Lists tags, and nothing else."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.versions = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def host(self):
        return "127.0.0.1:%d" % self.server_address[1]


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        name = self.path.removeprefix("/v2/").split("/tags/list")[0]
        newest = self.server.versions.get(name, 0)
        tags = ["1.%d.0" % version for version in range(newest + 1)]
        body = json.dumps({"name": name, "tags": tags}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def git(folder, *arguments):
    identity = ["-c", "user.name=Bench", "-c", "user.email=bench@acme.example", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def repository(folder, host, number):
    work, bare = folder / ("work-%d" % number), folder / ("gitops-%d.git" % number)
    (work / "dev").mkdir(parents=True)
    (work / ".tagboat.yaml").write_text(CONFIG.format(host=host))
    (work / "dev" / "web.yaml").write_text(DEPLOYMENT.format(host=host, number=number))
    git(work, "init", "--quiet")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", "Begin")
    git(folder, "clone", "--quiet", "--bare", str(work), str(bare))
    shutil.rmtree(work)
    return bare


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(holds, what):
    ends = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > ends:
            sys.exit("not in time: " + what)
        time.sleep(0.001)


def is_ready(port):
    try:
        return urllib.request.urlopen("http://127.0.0.1:%d/readyz" % port, timeout=5).status == 200
    except OSError:
        return False


class Fleet:
    """Replicas over repositories of their own, with or without a server that they share."""

    def __init__(self, binary, replicas, repositories):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tagboat-bench-"))
        self.registry = Registry()
        self.repositories = [repository(self.folder, self.registry.host, number) for number in range(repositories)]
        self.processes = []
        (self.folder / "hook").write_text("hush\n")
        queue = "local"
        if replicas > 1:
            port = free_port()
            store = self.folder / "nats"
            program = shutil.which("nats-server") or "/usr/sbin/nats-server"
            self.run([program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(store)])
            queue = '{nats: {url: "nats://127.0.0.1:%d"}}' % port
        rows = "".join('  - {url: "%s", branch: main}\n' % bare for bare in self.repositories)
        self.ports = []
        for replica in range(replicas):
            port = free_port()
            home = self.folder / ("home-%d" % replica)
            home.mkdir()
            file = self.folder / ("service-%d.yaml" % replica)
            file.write_text(
                "version: 1\nschedule: every 24h\nlisten: 127.0.0.1:%d\nqueue: %s\n"
                "webhooks: [{source: generic, secretFile: hook}]\nrepositories:\n%s" % (port, queue, rows)
            )
            environment = {"PATH": os.environ["PATH"], "HOME": str(home), "HOSTNAME": "replica-%d" % replica}
            self.run([binary, "serve", "--config", str(file)], environment)
            self.ports.append(port)
        for port in self.ports:
            wait_until(lambda: is_ready(port), "a replica is ready")
        # The first passes of all are over, and with them the second in which webhooks are merged.
        for number in range(repositories):
            self.sample(number, number % replicas)

    def run(self, command, environment=None):
        self.processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def tip(self, number):
        try:
            return (self.repositories[number] / "refs" / "heads" / "main").read_text()
        except FileNotFoundError:
            return None

    def sample(self, number, replica):
        """Pushes a version, sends a webhook to a replica, and returns the seconds to its commit."""
        name = "acme/web%d" % number
        before = self.tip(number)
        self.registry.versions[name] = self.registry.versions.get(name, 0) + 1
        body = json.dumps({"image": "%s/%s" % (self.registry.host, name)}).encode()
        url = "http://127.0.0.1:%d/hooks/generic/hush" % self.ports[replica]
        began = time.monotonic()
        urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=PATIENCE).read()
        wait_until(lambda: self.tip(number) != before, "a commit")
        return time.monotonic() - began

    def measure(self, samples, busy):
        ends = threading.Event()

        def keep_busy(number):
            turn = 0
            while not ends.is_set():
                turn += 1
                self.sample(number, turn % len(self.ports))

        threads = [threading.Thread(target=keep_busy, args=(number,)) for number in range(1, 1 + busy)]
        for thread in threads:
            thread.start()
        times = []
        for turn in range(samples):
            # What comes within a second of the pass before is merged on purpose: that wait is not measured.
            time.sleep(1.3)
            times.append(self.sample(0, turn % len(self.ports)))
        ends.set()
        for thread in threads:
            thread.join()
        return times

    def close(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        shutil.rmtree(self.folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--busy", type=int, default=20)
    options = parser.parse_args()
    print("| passes | other repositories | median | worst of %d |\n|---|---|---|---|" % options.samples)
    for words, replicas in (("one process", 1), ("three replicas over NATS", 3)):
        for busy in (0, options.busy):
            fleet = Fleet(os.path.abspath(options.binary), replicas, 1 + busy)
            try:
                times = fleet.measure(options.samples, busy)
            finally:
                fleet.close()
            other = "%d, busy" % busy if busy else "none"
            row = (words, other, statistics.median(times) * 1000, max(times) * 1000)
            print("| %s | %s | %.0f ms | %.0f ms |" % row, flush=True)


if __name__ == "__main__":
    main()
