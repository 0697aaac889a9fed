#!/usr/bin/env python3
"""Measures what a long history costs: 2,500 manifests in five environments, one after the other, and 1,502 commits.

usage: history.py TAGBOAT [ROUNDS]

Makes the repository in a temporary folder, the same every time: 1,500 commits move one manifest each, of which some are
moved to another name, and some go back. Prints the seconds of CPU in user mode that `status` takes, which asks no registry, without a cache and with a warm one.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile

ENVIRONMENTS = ["dev", "test", "staging", "canary", "prod"]
APPS, COMMITS = 500, 1_500
BEGIN, BETWEEN = 1_767_225_600, 600
AT = "2026-02-01T00:00:00Z"


def manifest(app, minor):
    image = f"ghcr.io/acme/app{app}:1.{minor}.0"
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: app{app}}}\nspec:\n  containers:\n    - image: {image}\n"


def configuration():
    text = "version: 1\nimages:\n  - match: ghcr.io/acme/**\n    semver: minor\nenvironments:\n"
    for before, name in zip([None, *ENVIRONMENTS], ENVIRONMENTS):
        text += f"  - name: {name}\n    files: [envs/{name}/**]\n    publish: commit\n"
        text += f"    after: {before}\n    gates: {{soak: 1h}}\n" if before else ""
    return text


def commit(number, message, files):
    who = f"Ada <ada@acme.example> {BEGIN + number * BETWEEN} +0000"
    yield f"commit refs/heads/main\ncommitter {who}\ndata {len(message)}\n{message}\n"
    for path, text in files:
        yield f"D {path}\n" if text is None else f"M 100644 inline {path}\ndata {len(text)}\n{text}\n"


def history():
    rng = random.Random(7)
    minors = {(name, app): 0 for name in ENVIRONMENTS for app in range(APPS)}
    paths = {(name, app): f"envs/{name}/app{app}/pod.yaml" for name, app in minors}
    yield from commit(0, "Begin", [(".tagboat.yaml", configuration())])
    yield from commit(1, "All", [(paths[key], manifest(key[1], 0)) for key in minors])
    for number in range(2, COMMITS + 2):
        key = (rng.choice(ENVIRONMENTS), rng.randrange(APPS))
        (name, app), old, chance = key, minors[key], rng.random()
        if chance < 0.05:
            gone, paths[key] = paths[key], f"envs/{name}/team{rng.randrange(9)}/app{app}/{rng.choice(['pod', 'web'])}.yaml"
            files = [(gone, None)] if gone != paths[key] else []
            yield from commit(number, "Move", [*files, (paths[key], manifest(app, old))])
            continue
        minors[key] = old - 1 if chance > 0.95 and old else old + 1
        step = f"ghcr.io/acme/app{app} 1.{old}.0 -> 1.{minors[key]}.0"
        message = f"{name}: update app{app}\n\nTagboat-Environment: {name}\nTagboat-Image: {step}\n"
        yield from commit(number, message if chance < 0.9 else "By hand", [(paths[key], manifest(app, minors[key]))])


def seconds(binary, folder, tags, cache):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [binary, "status", "-C", folder, "--snapshot", tags, "--at", AT, "--output", "json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "TAGBOAT_CACHE": cache})
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def main():
    binary = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as scratch:
        folder, tags, cache = (os.path.join(scratch, name) for name in ["repository", "tags.json", "cache.db"])
        git = ["git", "-C", folder]
        subprocess.run(["git", "init", "--quiet", "--initial-branch", "main", folder], check=True)
        subprocess.run([*git, "fast-import", "--quiet"], check=True, input="".join(history()).encode())
        subprocess.run([*git, "reset", "--quiet", "--hard", "main"], check=True)
        subprocess.run([*git, "gc", "--quiet"], check=True)
        listed = {f"ghcr.io/acme/app{app}": {"tags": {f"1.{minor}.0": {} for minor in range(40)}} for app in range(APPS)}
        with open(tags, "w", encoding="utf-8") as out:
            json.dump({"images": listed}, out)
        seconds(binary, folder, tags, cache)
        for what, where in [("without a cache", "off"), ("with a warm cache", cache)]:
            times = sorted(seconds(binary, folder, tags, where) for _ in range(rounds))
            print(f"{what}: {times[len(times) // 2]:.2f} s, {times[0]:.2f} to {times[-1]:.2f}")


main()
