"""Cuts the official descriptions of the forges' APIs down to what the tests read, and writes them where they are looked for.

    descriptions.py OUT [github=FILE] [graphql=FILE] [forgejo=FILE]

Each line of an output is a key, a space, and a piece of JSON, so that a test parses no more than it asks for.
"""

import json
import pathlib
import re
import sys

# What only people read, or what says nothing about a value.
UNREAD = {"description", "summary", "example", "examples", "externalDocs", "tags", "operationId", "title", "deprecated"}


def cut(node, named=False):
    """Drops what is not read; the names of properties and parameters are never dropped."""
    if isinstance(node, list):
        return [cut(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        if not named and (key in UNREAD or key.startswith("x-")):
            continue
        kept[key] = cut(value, named=not named and key in ("properties", "responses", "schemas", "definitions", "parameters"))
    return kept


def rest(document):
    """Yields the paths and components of a description in OpenAPI 3 or Swagger 2."""
    for path, item in document["paths"].items():
        yield "/paths" + path, cut(item)
    parts = document.get("components") or {key: document.get(key, {}) for key in ("definitions", "responses", "parameters")}
    below = "/components" if "components" in document else ""
    for kind, entries in parts.items():
        if kind in ("schemas", "definitions", "responses", "parameters", "headers"):
            for name, entry in entries.items():
                yield f"{below}/{kind}/{name}", cut(entry)


def graphql(document):
    """Yields each type with its fields and their arguments, types written as GraphQL writes them."""

    def written(kind):
        if kind["kind"] == "NON_NULL":
            return written(kind["ofType"]) + "!"
        if kind["kind"] == "LIST":
            return f"[{written(kind['ofType'])}]"
        return kind["name"]

    for kind in document["data"]["__schema"]["types"] if "data" in document else document["__schema"]["types"]:
        fields = {}
        for field in (kind.get("fields") or []) + (kind.get("inputFields") or []):
            arguments = {one["name"]: written(one["type"]) for one in field.get("args") or []}
            fields[field["name"]] = {"type": written(field["type"]), "arguments": arguments}
        values = [one["name"] for one in kind.get("enumValues") or []]
        yield kind["name"], {"kind": kind["kind"], "fields": fields, "values": values}


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for argument in sys.argv[2:]:
        name, _, file = argument.partition("=")
        text = pathlib.Path(file).read_text(encoding="utf-8")
        # Templates of Go stand in Swagger files of Gitea and Forgejo, within strings.
        document = json.loads(text)
        rows = graphql(document) if name == "graphql" else rest(document)
        lines = [f"{key.replace(' ', '%20')} {json.dumps(value, separators=(',', ':'))}\n" for key, value in rows]
        fresh = out / f"{name}.fresh"
        fresh.write_text("".join(lines), encoding="utf-8")
        fresh.rename(out / f"{name}.txt")
        print(f"{name}: {len(lines)} entries, {sum(map(len, lines)) // 1024} KiB")


if __name__ == "__main__":
    main()
