#!/usr/bin/env python3
"""Parses the fixtures before and after their edits with PyYAML, a parser that Tagboat does not use.

Both sides must be the same tree but for scalars that now hold a tag of the case's orders or the new digest; a digest's key may
have come anew. Files that PyYAML cannot read before the edit are counted and left out.
"""

import pathlib
import sys

import yaml

NEW_DIGEST = "cd" * 32


def documents(path):
    return list(yaml.compose_all(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader))


def compare(before, after, wanted, seen):
    """Returns how many scalars differ; raises ValueError where something else does."""
    if before is None or after is None:
        if before is not after:
            raise ValueError("a document more or less")
        return 0
    if id(after) in seen:
        return 0
    seen.add(id(after))
    if type(before) is not type(after):
        raise ValueError(f"another kind of node in line {after.start_mark.line + 1}")
    if isinstance(before, yaml.ScalarNode):
        if before.value == after.value and before.tag == after.tag:
            return 0
        if not any(word in after.value for word in wanted):
            raise ValueError(f"line {after.start_mark.line + 1}: {before.value!r} became {after.value!r}")
        return 1
    if isinstance(before, yaml.SequenceNode):
        pairs = list(zip(before.value, after.value))
        if len(before.value) != len(after.value):
            raise ValueError(f"another number of items in line {after.start_mark.line + 1}")
    else:
        keys = [key.value for key, _ in before.value]
        kept = [(k, v) for k, v in after.value if k.value in keys or NEW_DIGEST not in str(v.value)]
        if [key.value for key, _ in kept] != keys:
            raise ValueError(f"other keys in line {after.start_mark.line + 1}")
        pairs = [(one[1], other[1]) for one, other in zip(before.value, kept)]
    return sum(compare(one, other, wanted, seen) for one, other in pairs)


def main():
    root = pathlib.Path(__file__).parent / "data" / "manifest"
    compared = differing = unread = 0
    faults = []
    for after in sorted(root.glob("*/after/**/*")):
        if not after.is_file() or after.suffix not in (".yaml", ".yml"):
            continue
        case = root / after.relative_to(root).parts[0]
        before = case / "input" / after.relative_to(case / "after")
        lines = [line.split() for line in (case / "orders.txt").read_text().splitlines()]
        tags = [line[1].split("@")[0] for line in lines if len(line) > 1]
        # A chart's version has `+` where its tag has `_`.
        wanted = tags + [tag.replace("_", "+") for tag in tags] + [NEW_DIGEST]
        try:
            old = documents(before)
        except (yaml.YAMLError, UnicodeDecodeError):
            unread += 1
            continue
        try:
            new = documents(after)
            if len(old) != len(new):
                raise ValueError("another number of documents")
            differing += sum(compare(one, other, wanted, set()) for one, other in zip(old, new))
            compared += 1
        except (yaml.YAMLError, ValueError) as error:
            faults.append(f"{after.relative_to(root)}: {error}")
    print(f"{compared} files are the same but for {differing} scalars; {unread} cannot be read by PyYAML before the edit")
    print("\n".join(faults))
    return 1 if faults or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
