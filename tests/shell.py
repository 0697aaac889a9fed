"""Every shell script of the repository, as shellcheck sees it: files that say so in their first line, and the scripts inside
of the action, the workflows and the samples, where no expression may be a part of a script.

    python3 tests/shell.py
"""

import pathlib
import subprocess
import sys
import tempfile

import yaml

TOP = pathlib.Path(__file__).resolve().parent.parent
SHEBANGS = ("#!/usr/bin/env bash", "#!/bin/bash", "#!/bin/sh", "#!/usr/bin/env sh")
INSIDE = ("action.yml", ".github/workflows/*.yml", "examples/github/*.yml", "examples/gitea/*.yml", "examples/gitlab/.*.yml", "templates/*.yml")


def files():
    """Paths of the scripts that stand alone."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=TOP, check=True, capture_output=True)
    for name in listed.stdout.decode().split("\0"):
        path = TOP / name
        # What tests keep as data is read byte for byte, and is nobody's script.
        if name and not name.startswith(("tests/data/", "fuzz/corpus/")) and path.is_file():
            with path.open("rb") as opened:
                first = opened.readline(64).decode(errors="replace").strip()
            if first in SHEBANGS:
                yield name


def scripts(node, where=""):
    """Places and texts of the scripts in a document: `run` of steps, `script` of GitLab's jobs."""
    if isinstance(node, dict):
        for key, value in node.items():
            place = f"{where}.{key}".lstrip(".")
            if key == "run" and isinstance(value, str):
                yield place, value
            elif key in ("script", "before_script", "after_script") and isinstance(value, list):
                yield place, "\n".join(value)
            else:
                yield from scripts(value, place)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from scripts(value, f"{where}[{index}]")


def main():
    alone = sorted(files())
    failed = subprocess.run(["shellcheck", *alone], cwd=TOP, check=False).returncode != 0
    inside = 0
    with tempfile.TemporaryDirectory() as folder:
        for pattern in INSIDE:
            for path in sorted(TOP.glob(pattern)):
                for document in yaml.safe_load_all(path.read_text()):
                    for place, text in scripts(document):
                        inside += 1
                        name = f"{path.relative_to(TOP)}: {place}"
                        if "${{" in text or "$[[" in text:
                            print(f"{name}: an expression is a part of the script")
                            failed = True
                            continue
                        script = pathlib.Path(folder) / f"{inside}.sh"
                        # Runners end a step at the first failure.
                        script.write_text(f"#!/bin/bash -e\n{text}\n")
                        checked = subprocess.run(["shellcheck", script], check=False, capture_output=True, text=True)
                        if checked.returncode != 0:
                            print(f"{name}:\n{checked.stdout}")
                            failed = True
    print(f"{len(alone)} scripts, and {inside} inside of other files")
    if failed or not alone or not inside:
        sys.exit(1)


main()
