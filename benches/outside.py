#!/usr/bin/env python3
"""Measures the release binary from outside: seconds, CPU seconds and peak memory of whole calls of `tagboat scan`.

  benches/outside.py speed      the folder `corpora` of TAGBOAT_CHECKS: without a cache, with an empty one, with a warm
                                one, and `rg -c image:` over the same tree as the limit
  benches/outside.py commit     the same files as the one commit of a repository: `tagboat run --dry-run`, which reads blobs
  benches/outside.py memory     trees of 100,000 generated files, small ones and ones of sixteen times as many bytes

Options: --binary FILE (target/release/tagboat), --runs N (9), --files N (100000). Needs `rg` (Debian: ripgrep) for `speed`.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def call(command, environment):
    """Runs a command; returns its seconds, its CPU seconds and its peak resident memory in MiB."""
    before = time.perf_counter()
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(command, stdout=nothing, stderr=subprocess.PIPE, env=environment)
        words = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # Errors of single files are rows of the report: `rg` says 1 for them, and `tagboat` 3.
    if process.returncode not in (0, 1, 3):
        sys.exit(f"{' '.join(map(str, command))}: exit code {process.returncode}\n{words}")
    return time.perf_counter() - before, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(name, command, runs, size, environment=None, before=None):
    """Calls a command several times and prints the median, the lowest and the highest."""
    rows = []
    for _ in range(runs):
        if before:
            before()
        rows.append(call(command, {**os.environ, **(environment or {})}))
    wall = sorted(row[0] for row in rows)
    middle = statistics.median(wall)
    cpu = statistics.median(row[1] for row in rows)
    peak = max(row[2] for row in rows)
    rate = f"{size / middle / 2**20:8.0f} MiB/s" if size else " " * 14
    print(f"{name:34} {middle:7.3f} s ({wall[0]:.3f} to {wall[-1]:.3f}) {cpu:7.3f} s CPU {peak:7.1f} MiB {rate}", flush=True)


@contextlib.contextmanager
def scratch():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tagboat-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def size_of(tree):
    files = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    total = sum(path.stat().st_size for path in files)
    print(f"{len(files)} files, {total / 2**20:.1f} MiB")
    return total


def remove(cache):
    """Forgets a cache file with what SQLite keeps beside it."""
    for path in cache.parent.glob(f"{cache.name}*"):
        path.unlink()


def three_ways(command, size, folder, runs):
    cache = folder / "cache.db"
    measure("without a cache", command, runs, size, {"TAGBOAT_CACHE": "off"})
    with_cache = {"TAGBOAT_CACHE": str(cache)}
    measure("with an empty cache", command, runs, size, with_cache, before=lambda: remove(cache))
    measure("with a warm cache", command, runs, size, with_cache)
    print(f"cache file: {cache.stat().st_size / 2**20:.2f} MiB")


def corpora():
    checks = os.environ.get("TAGBOAT_CHECKS")
    if not checks:
        sys.exit("set TAGBOAT_CHECKS to the folder of further checks (see CONTRIBUTING.md)")
    return pathlib.Path(checks) / "corpora"


def speed(arguments):
    tree = corpora()
    size = size_of(tree)
    if not shutil.which("rg"):
        sys.exit("`rg` is missing: install ripgrep (Debian: apt-get install ripgrep)")
    with scratch() as folder:
        # Every file but those in .git, as `tagboat scan` takes them.
        measure("rg -c image:", ["rg", "--hidden", "-c", "image:", str(tree)], arguments.runs, size)
        three_ways([arguments.binary, "scan", str(tree), "--output", "json"], size, folder, arguments.runs)


def commit(arguments):
    tree = corpora()
    size = size_of(tree)
    with scratch() as folder:
        work = folder / "work"
        shutil.copytree(tree, work, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        (work / ".tagboat.yaml").write_text("version: 1\nimages: []\nenvironments: [{name: all, files: ['**']}]\n")
        (folder / "snapshot.json").write_text('{"images": {}}\n')
        identity = ["-c", "user.name=Bench", "-c", "user.email=bench@localhost", "-c", "core.hooksPath=/dev/null"]
        steps = [["init", "-q", "-b", "main"], ["add", "--all", "--force"], ["commit", "-q", "-m", "All"]]
        for step in steps:
            subprocess.run(["git", *identity, "-C", str(work), *step], check=True)
        subprocess.run(["git", "clone", "-q", "--bare", str(work), str(folder / "bare.git")], check=True)
        os.environ["XDG_CACHE_HOME"] = str(folder / "caches")
        command = [arguments.binary, "run", "--dry-run", "--repo", str(folder / "bare.git"), "--branch", "main"]
        command += ["--snapshot", str(folder / "snapshot.json")]
        # The mirror is fetched before anything is measured.
        call(command, {**os.environ, "TAGBOAT_CACHE": "off"})
        three_ways(command, size, folder, arguments.runs)


def manifest(number, padding):
    """A Deployment of 600 bytes, and so many bytes of settings that name no image."""
    text = f"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{number}
  labels: {{app.kubernetes.io/name: app-{number}}}
spec:
  replicas: 2
  selector:
    matchLabels:
      app: app-{number}
  template:
    metadata:
      labels:
        app: app-{number}
    spec:
      containers:
        - name: app
          image: ghcr.io/acme/app-{number % 500}:1.{number % 40}.0
          ports: [{{containerPort: 8080}}]
          env:
            - name: LOG_LEVEL
              value: info
          resources:
            limits: {{cpu: 500m, memory: 256Mi}}
"""
    lines = (f"              # {number}: a note on how this service is run and by whom" for _ in range(padding // 64))
    return text.replace("              value: info\n", "              value: info\n" + "\n".join([*lines, ""]))


def memory(arguments):
    for name, padding in [("small files", 0), ("files of sixteen times the bytes", 10_000)]:
        with scratch() as folder:
            tree = folder / "tree"
            for number in range(arguments.files):
                path = tree / f"team-{number // 1000}" / f"app-{number}.yaml"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(manifest(number, padding))
            print(f"== {name}")
            three_ways([arguments.binary, "scan", str(tree), "--output", "json"], size_of(tree), folder, arguments.runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "commit", "memory"])
    top = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--binary", default=str(top / "target/release/tagboat"))
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--files", type=int, default=100_000)
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    {"speed": speed, "commit": commit, "memory": memory}[arguments.what](arguments)


if __name__ == "__main__":
    main()
