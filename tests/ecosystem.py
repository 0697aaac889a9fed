#!/usr/bin/env python3
"""Lets the ecosystem's own tools judge edits: what they say before and after may differ in the images alone.

Every folder is copied. A snapshot is made up in which each image has one newer tag that no other image has, `tagboat update` runs
with it, and what the tools make of the copy is compared as YAML trees with what they made of it before:

  kubectl     `kubectl kustomize` of every kustomization, with neither git nor a network: remote bases are out of reach
  schemas     the schemas of Kubernetes (kubernetes-validate) over the objects in the edited files and in what was built
  compose     `docker-compose config` of the edited Compose files

A scalar may differ where a reference took the tag (and digest) made up for it, where a tag alone did beside its image's name, and
where a generator's hash follows its content. The fixtures under tests/data/ecosystem must differ in exactly so many places.
"""

import argparse
import collections
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FIXTURES = pathlib.Path(__file__).parent / "data" / "ecosystem"

# How many places differ in what is built of a fixture, and from which 1.x on kubectl can build it.
FIXTURE_BUILDS = {
    "kustomize/base": (4, 0),
    "kustomize/components": (4, 21),
    "kustomize/generated": (2, 0),
    "kustomize/overlay": (5, 0),
    "kustomize/patches": (5, 21),
    "kustomize/releases": (8, 0),
    "kustomize/replacements": (6, 22),
}
# How many places differ in an edited file, behind aliases too.
FIXTURE_FILES = {
    "compose/compose.yaml": 3,
    "kustomize/base/web.yaml": 1,
    "kustomize/base/worker.yaml": 1,
    "kustomize/overlay/sidecar.yaml": 1,
    "kustomize/replacements/job.yaml": 2,
    "objects/jobs.json": 1,
    "objects/list.yaml": 3,
    "objects/workloads.yaml": 10,
}

NAME = r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
DIGEST = r"sha256:[0-9a-f]{64}"
REFERENCE = re.compile(rf"(?:oci://|docker://)?(?P<name>{NAME})(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]*))?(?:@(?P<digest>{DIGEST}))?")
TOKENS = re.compile(r"([\s\"'=,{}\[\]]+)")
HASHED = re.compile(r"(.+)-[bcdfghkmt2456789]{10}")
NO_PLACES = ("metadata", "labels", "annotations", "matchLabels", "args", "command", "env", "environment")
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
REMOTE = re.compile(r"proxyconnect|dial tcp|'git' program|--enable-helm")


# ------------------------------------------------------------------------------------------------ the edit

def newer(tag, number):
    """The tag with its first version's minor part raised, and a last part that belongs to one image alone."""
    found = re.search(r"\d+(?:\.\d+)+", tag)
    if not found:
        return None
    parts = [int(part) for part in found.group().split(".")]
    if len(parts) == 2:
        parts[1] += 1000 + number
    else:
        parts[1:] = [parts[1] + 1, 1000 + number] + [0] * (len(parts) - 3)
    return tag[: found.start()] + ".".join(map(str, parts)) + tag[found.end():]


def normal(name):
    """`nginx` -> `docker.io/library/nginx`."""
    first, _, rest = name.partition("/")
    if not rest or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", name
    if first in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        return "docker.io/" + (rest if "/" in rest else "library/" + rest)
    return f"{first}/{rest}"


def run_tagboat(binary, command, folder, scratch, *options):
    env = {"PATH": os.environ["PATH"], "HOME": str(scratch)}
    done = subprocess.run([binary, command, "--output", "json", *options, str(folder)], capture_output=True, env=env, timeout=300)
    if done.returncode not in (0, 3):
        raise SystemExit(f"tagboat {command}: exit code {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return json.loads(done.stdout)


def made_up(references):
    """The snapshot: every tag in use, and one newer for each."""
    images = {}
    for reference in references:
        if reference["image"] and reference["tag"] and not reference["skipped"]:
            images.setdefault(reference["image"], {}).setdefault(reference["tag"], reference["digest"])
    rows = {}
    for number, (image, tags) in enumerate(sorted(images.items())):
        row = rows[image] = {}
        for tag, digest in tags.items():
            row[tag] = {"digest": digest} if digest else {}
            fresh = newer(tag, number)
            if fresh:
                row[fresh] = {"digest": "sha256:" + hashlib.sha256(f"{image}:{fresh}".encode()).hexdigest()}
    return {"images": {image: {"tags": row} for image, row in rows.items()}}


class Moves:
    """What `update` says it did, by image: pairs of tags, and the digests of the new ones."""

    def __init__(self, changes, snapshot):
        self.pairs = collections.defaultdict(set)
        for change in changes:
            self.pairs[normal(change["image"])].add((change["from"]["tag"], change["to"]["tag"]))
        self.digests = {}
        for image, pairs in self.pairs.items():
            rows = {normal(name): row["tags"] for name, row in snapshot["images"].items()}[image]
            self.digests[image] = {rows[new].get("digest") for _, new in pairs}

    def is_reference(self, old, new):
        one, other = REFERENCE.fullmatch(old), REFERENCE.fullmatch(new)
        if not one or not other or one["name"] != other["name"]:
            return False
        image = normal(one["name"])
        tags = (one["tag"], other["tag"])
        fits = tags in self.pairs[image] or (tags == (None, None) and one["digest"])
        return bool(fits and self.fits_digest(image, one["digest"], other["digest"]))

    def fits_digest(self, image, old, new):
        return new in self.digests[image] if old else new is None

    def is_alone(self, old, new, above):
        """A tag or digest alone, beside the name of its image, and not where no image is named."""
        if any(key in NO_PLACES for key, _ in above):
            return False
        around = "\n".join(text_of(node) for _, node in above[-3:])
        (old, _, old_digest), (new, _, new_digest) = old.partition("@"), new.partition("@")
        for image, pairs in self.pairs.items():
            is_digest = re.fullmatch(DIGEST, old) and new in self.digests[image]
            is_tag = (old, new) in pairs and self.fits_digest(image, old_digest or None, new_digest or None)
            if (is_digest or is_tag) and image.rsplit("/", 1)[-1] in around:
                return True
        return False


# ------------------------------------------------------------------------------------------------ the comparison

class Differs(Exception):
    """Something else than an image."""


def text_of(node):
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return "\n".join(map(text_of, node.value))
    return "\n".join(f"{text_of(key)} {text_of(value)}" for key, value in node.value)


class Comparison:
    """Walks two trees; counts the places where an image moved."""

    def __init__(self, moves):
        self.moves, self.places, self.hashes = moves, 0, {}

    def outputs(self, old, new):
        old, new = documents(old), documents(new)
        if len(old) != len(new):
            raise Differs("another number of objects")
        for one, other in zip(old, new):
            self.nodes(one, other, ())
        return self.places

    def nodes(self, old, new, above):
        if type(old) is not type(new):
            raise Differs(f"another kind of node in line {new.start_mark.line + 1}")
        if isinstance(old, yaml.ScalarNode):
            return self.scalars(old, new, above)
        if len(old.value) != len(new.value):
            raise Differs(f"another number of items in line {new.start_mark.line + 1}")
        for one, other in zip(old.value, new.value):
            key = None
            if isinstance(old, yaml.MappingNode):
                key = text_of(one[0])
                if key != text_of(other[0]):
                    raise Differs(f"other keys in line {new.start_mark.line + 1}")
                one, other = one[1], other[1]
            self.nodes(one, other, (*above, (key, old)))

    def scalars(self, old, new, above):
        if old.value == new.value and old.tag == new.tag:
            return
        one, other = HASHED.fullmatch(old.value), HASHED.fullmatch(new.value)
        if one and other and one[1] == other[1] and self.hashes.setdefault(old.value, new.value) == new.value:
            return
        pieces, fresh = TOKENS.split(old.value), TOKENS.split(new.value)
        moved = 0
        for piece, other in zip(pieces, fresh):
            if piece == other:
                continue
            if not self.moves.is_reference(piece, other) and not self.moves.is_alone(piece, other, above):
                raise Differs(f"{piece!r} became {other!r} in line {new.start_mark.line + 1}")
            moved += 1
        if len(pieces) != len(fresh) or not moved:
            raise Differs(f"{old.value!r} became {new.value!r} in line {new.start_mark.line + 1}")
        self.places += moved


def documents(text):
    """The documents of a stream, in an order that a generator's hash does not change."""
    def key(node):
        plain = {k.value: v for k, v in node.value} if isinstance(node, yaml.MappingNode) else {}
        meta = {k.value: text_of(v) for k, v in plain["metadata"].value} if isinstance(plain.get("metadata"), yaml.MappingNode) else {}
        name = HASHED.sub(r"\1", meta.get("name", ""))
        return (text_of(plain["kind"]) if "kind" in plain else "", meta.get("namespace", ""), name)
    return sorted((node for node in yaml.compose_all(text, Loader=LOADER) if node is not None), key=key)


# ------------------------------------------------------------------------------------------------ the tools

def build(kubectl, folder, root):
    """(output, None) or (None, why it cannot be built)."""
    nowhere = "http://127.0.0.1:1"
    env = {"PATH": "/nonexistent", "HOME": str(root.parent), "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere}
    return completed([kubectl, "kustomize", str(folder)], env, root)


def compose(program, file, root):
    env = {"PATH": os.environ["PATH"], "HOME": str(root.parent)}
    return completed([*program.split(), "-f", str(file), "config"], env, root)


def completed(command, env, root):
    """Runs a tool; where the copy lacks a file, which samples of repositories do, makes an empty one up."""
    for _ in range(40):
        try:
            done = subprocess.run(command, capture_output=True, env=env, timeout=30, text=True, errors="replace")
        except subprocess.TimeoutExpired:
            return None, "it takes longer than 30 seconds"
        if done.returncode == 0:
            return done.stdout, None
        reason = " ".join(done.stderr.split())
        lacks = re.search(r"failure on '(/[^']+)' : lstat|build path (/\S+) either does not exist", reason)
        missing = lacks and pathlib.Path(lacks[1] or lacks[2])
        if not missing or REMOTE.search(reason) or root not in missing.parents or missing.exists():
            break
        missing.parent.mkdir(parents=True, exist_ok=True)
        missing.touch() if missing.suffix else missing.mkdir(exist_ok=True)
    return None, reason.replace(f"{root}/", "")


def kustomizations(root):
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != ".git"]
        for name in KUSTOMIZATIONS:
            if name in files and not re.search(r"(?m)^kind:\s*Component\b", (pathlib.Path(folder) / name).read_text(errors="replace")):
                yield pathlib.Path(folder)


def is_compose(path):
    return re.search(r"(^|/)(docker-)?compose[^/]*\.ya?ml$", path) is not None


@functools.cache
def schemas():
    from kubernetes_validate import utils

    utils.schema_contents = functools.cache(utils.schema_contents)
    return utils


def objects(text):
    """The objects of a stream, those of lists apart; None where it cannot be read."""
    try:
        queue = list(yaml.load_all(text, Loader=LOADER))
    except (yaml.YAMLError, ValueError):
        return None
    found = []
    while queue:
        item = queue.pop(0)
        if isinstance(item, dict) and item.get("kind") == "List" and isinstance(item.get("items"), list):
            queue = item["items"] + queue
        elif isinstance(item, dict) and isinstance(item.get("kind"), str) and isinstance(item.get("apiVersion"), str):
            found.append(item)
    return found


def verdict(item):
    """None for an object without a schema, True where it fits, else what is wrong with it."""
    utils = schemas()
    try:
        utils.validate(item, utils.latest_version(), strict=True)
        return True
    except (utils.SchemaNotFoundError, ValueError):
        return None
    except utils.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.validator}"


# ------------------------------------------------------------------------------------------------ one folder

class Report:
    def __init__(self):
        self.counts = collections.Counter()
        self.faults = []
        self.reasons = []
        self.places = {}


def judge(origin, options):
    report = Report()
    with tempfile.TemporaryDirectory(prefix="tagboat-ecosystem-") as scratch:
        scratch = pathlib.Path(scratch)
        root = scratch / "tree"
        shutil.copytree(origin, root, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        scan = run_tagboat(options.binary, "scan", root, scratch)
        snapshot = made_up(scan["references"])
        (scratch / "snapshot.json").write_text(json.dumps(snapshot))
        tools = []
        if options.kubectl:
            tools += [("kustomizations", path, functools.partial(build, options.kubectl, path, root)) for path in kustomizations(root)]
        # A place that Tagboat does not edit is not edited in the copy either, so that its output is none to look at.
        seen = sorted({reference["file"] for reference in scan["references"]})
        if options.compose:
            tools += [("Compose files", root / path, functools.partial(compose, options.compose, root / path, root)) for path in seen if is_compose(path)]
        plain = [root / path for path in seen if path.endswith((".yaml", ".yml", ".json"))]
        before = outputs(tools)
        texts = {path: path.read_bytes() for path in plain}
        changes = run_tagboat(options.binary, "update", root, scratch, "--snapshot", str(scratch / "snapshot.json"))["changes"]
        moves = Moves(changes, snapshot)
        for (what, path, _), old, new in zip(tools, before, outputs(tools)):
            where = str(path.relative_to(root))
            if old[0] is None:
                report.counts[f"{what} that need a network" if REMOTE.search(old[1]) else f"{what} that the tool refuses as they are"] += 1
                report.reasons.append(f"{where}: {old[1][-160:]}")
            elif new[0] is None:
                report.faults.append(f"{where}: cannot be built after the edit: {new[1]}")
            else:
                report.counts[what] += 1
                differences(report, where, moves, old[0], new[0], options)
        for path, old in texts.items():
            new = path.read_bytes()
            if options.schemas and new != old and not is_compose(str(path)):
                where = str(path.relative_to(root))
                old = objects(old)
                if old and any(verdict(item) is not None for item in old):
                    report.counts["files of objects"] += 1
                    differences(report, where, moves, texts[path], new, options)
    return report


def outputs(tools):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda tool: tool[2](), tools))


def differences(report, where, moves, old, new, options):
    try:
        places = Comparison(moves).outputs(old, new)
    except (Differs, yaml.YAMLError) as error:
        report.faults.append(f"{where}: {error}")
        return
    report.places[where] = places
    report.counts["places that differ"] += places
    if not options.schemas:
        return
    one, other = objects(old), objects(new)
    if one is None or other is None or len(one) != len(other):
        report.faults.append(f"{where}: other objects than before")
        return
    for item, edited in zip(one, other):
        if item == edited:
            continue
        outcome, after = verdict(item), verdict(edited)
        if outcome is not None:
            report.counts["objects that fit their schemas" if outcome is True else "objects that never did"] += 1
        if outcome != after:
            report.faults.append(f"{where}: {item['kind']}: {outcome} became {after}")


def expected(report, options):
    """The fixtures must differ in as many places as was reviewed."""
    minor = 0
    if options.kubectl:
        version = subprocess.run([options.kubectl, "version", "--client", "-o", "json"], capture_output=True, text=True).stdout
        minor = int(re.match(r"\d+", json.loads(version)["clientVersion"]["minor"])[0])
    wanted = {}
    if options.kubectl:
        wanted.update({path: count for path, (count, oldest) in FIXTURE_BUILDS.items() if minor >= oldest})
    for path, count in FIXTURE_FILES.items():
        if options.compose if is_compose(path) else options.schemas:
            wanted[path] = count
    for path, count in wanted.items():
        if report.places.get(path) != count:
            report.faults.append(f"{path}: {report.places.get(path)} places differ, and not {count}")
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", metavar="FOLDER", nargs="*", help="a repository, beside the fixtures")
    parser.add_argument("--binary", required=True, help="the program to judge")
    parser.add_argument("--kubectl", help="kubectl")
    parser.add_argument("--compose", help="docker-compose")
    parser.add_argument("--schemas", action="store_true", help="kubernetes-validate can be imported")
    parser.add_argument("--reasons", action="store_true", help="list what cannot be built even before")
    options = parser.parse_args()
    # It runs without a PATH.
    options.kubectl = options.kubectl and shutil.which(options.kubectl)
    faults, total = 0, collections.Counter()
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        folders = [FIXTURES, *map(pathlib.Path, options.folders)]
        for folder, report in zip(folders, pool.map(judge, folders, [options] * len(folders))):
            name = folder.resolve().name
            if folder == FIXTURES:
                name, report = "fixtures", expected(report, options)
            if report.counts:
                print(f"{name}: {', '.join(f'{what} {count}' for what, count in sorted(report.counts.items()))}")
                total.update(report.counts)
            for line in report.faults + (sorted(report.reasons) if options.reasons else []):
                print(f"  {line}")
            faults += len(report.faults)
    print(f"in all: {', '.join(f'{what} {count}' for what, count in sorted(total.items()))}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
