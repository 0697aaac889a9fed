"""Holds metrics, alert rules and the dashboard against `promtool` and against each other.

    tests/prometheus/check.py METRICS

METRICS is what a service has served at `/metrics`; the test `alerts_dashboard_and_documentation_speak_of_what_is_served` leaves it in
`target/tmp/metrics.txt`. It is linted, the rules are checked and played through (`alerts.yaml` beside this file), and whatever the
dashboard asks for must be PromQL and be served. No server of Prometheus or Grafana is started.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
RULES = TOP / "config/prometheus/alerts.yaml"
DASHBOARD = TOP / "config/grafana/tagboat.json"


def promtool(*words, text=None):
    ran = subprocess.run(["promtool", *map(str, words)], input=text, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"promtool {' '.join(map(str, words))}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout + ran.stderr


def expressions(panels):
    for panel in panels:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def main(file):
    text = pathlib.Path(file).read_text()
    words = promtool("check", "metrics", text=text)
    if words.strip():
        sys.exit(f"promtool check metrics:\n{words}")
    known = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        known |= {f"{name}_{end}" for end in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    promtool("check", "rules", RULES)
    promtool("test", "rules", TOP / "tests/prometheus/alerts.yaml")
    asked = list(expressions(json.loads(DASHBOARD.read_text())["panels"]))
    plain = [(title, expr.replace("$__rate_interval", "5m").replace("$repository", ".*")) for title, expr in asked]
    rules = [{"record": f"dashboard:{number}", "expr": expr} for number, (_, expr) in enumerate(plain)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        promtool("check", "rules", file.name)
    for title, expr in [*asked, (RULES.name, RULES.read_text())]:
        for name in re.findall(r"\btagboat_\w+", expr):
            if name not in known:
                sys.exit(f"{title}: {name} is not served")
    print(f"{len(known)} names are served, {len(asked)} questions of the dashboard and all rules ask for no other")


main(sys.argv[1])
