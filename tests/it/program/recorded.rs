//! The terminal that the README shows: what the program prints, drawn by this test as a picture that needs nothing but fonts.
//!
//! `UPDATE=1` draws it again.

use std::fmt::Write as _;
use std::path::Path;

use crate::config::assert_kept;
use crate::program::{World, deployment};

const PICTURE: &str = "docs/images/terminal.svg";

const CONFIG: &str = "version: 1
images:
  - match: ghcr.io/acme/*
    semver: '>=1.4.0 <2.0.0'
    ignore: ['-debug$']
environments:
  - name: dev
    files: [envs/dev/**]
    publish: commit
  - name: prod
    files: [envs/prod/**]
    after: dev
    gates: {freezes: [{from: 2026-12-20, to: 2027-01-03}]}
";

const TAGS: &str = r#"{"images": {
    "ghcr.io/acme/web": {"tags": {"1.4.0": {}, "1.4.2": {}, "1.5.0": {}, "1.5.0-debug": {}, "1.6.0-rc.1": {}, "2.0.0": {}, "latest": {}}},
    "ghcr.io/acme/worker": {"tags": {"1.7.1": {}, "1.7.4": {}}}}}"#;

const VALUES: &str = "web:
  image:
    repository: ghcr.io/acme/web
    tag: 1.4.0 # what customers see
worker:
  image:
    repository: ghcr.io/acme/worker
    tag: 1.7.1
";

/// A cell of the picture, in pixels.
const WIDE: f32 = 7.8;
const HIGH: usize = 18;

#[test]
fn the_recorded_terminal_of_the_readme_is_what_the_program_prints() {
    let world = World::new();
    world.write(".tagboat.yaml", CONFIG);
    world.write("envs/dev/web.yaml", deployment("ghcr.io/acme/web:1.5.0"));
    world.write("envs/dev/worker.yaml", deployment("ghcr.io/acme/worker:1.7.1"));
    world.write("envs/prod/values.yaml", VALUES);
    world.beside("tags.json", TAGS);
    let offline = ["--snapshot", "../tags.json", "--color", "always"];
    let mut shown = String::new();
    for command in
        ["plan --at 2026-12-24T18:00:00Z", "explain ghcr.io/acme/web --environment prod --at 2026-12-24T18:00:00Z"]
    {
        let arguments: Vec<&str> = command.split(' ').chain(offline).collect();
        let printed = world.tagboat(&arguments).ended(0).out;
        writeln!(shown, "\u{1b}[1m$ tagboat {command}\u{1b}[0m\n{}\n", printed.trim_end()).unwrap();
    }
    let drawn = draw(shown.trim_end());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PICTURE);
    assert_kept(&path, &drawn);
}

/// Draws text with the colours of a terminal.
fn draw(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let (width, height) = (80.0 * WIDE + 32.0, lines.len() * HIGH + 32);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"tagboat plan and tagboat explain in a terminal\">\n\
         <style>text {{ font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #d7dde5; white-space: pre }}\n\
         .bold {{ font-weight: 700; fill: #ffffff }} .dim {{ fill: #8b97a6 }} .red {{ fill: #ff8b85 }} .green {{ fill: #7ee2a0 }} \
         .yellow {{ fill: #f2cc60 }} .cyan {{ fill: #79c0ff }}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0f1720\"/>\n"
    );
    for (row, line) in lines.iter().enumerate() {
        let y = 16 + row * HIGH + 13;
        let mut column = 0;
        for (class, words) in spans(line) {
            let x = 16.0 + column as f32 * WIDE;
            let cells = words.chars().count();
            let long = cells as f32 * WIDE;
            let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            column += cells;
            if !words.trim().is_empty() {
                writeln!(picture, "<text x=\"{x:.1}\" y=\"{y}\" textLength=\"{long:.1}\"{class}>{words}</text>")
                    .unwrap();
            }
        }
    }
    picture.push_str("</svg>\n");
    picture
}

/// The parts of a line, each with the class of its colour as an attribute.
fn spans(line: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut parts = line.split('\u{1b}');
    found.push(("", parts.next().unwrap_or_default().to_owned()));
    for part in parts {
        let (code, words) = part.strip_prefix('[').unwrap().split_once('m').unwrap();
        let class = match code {
            "0" | "" => "",
            "1" => " class=\"bold\"",
            "2" => " class=\"dim\"",
            "31" => " class=\"red\"",
            "32" => " class=\"green\"",
            "33" => " class=\"yellow\"",
            "36" => " class=\"cyan\"",
            other => panic!("the colour {other} has no class yet"),
        };
        found.push((class, words.to_owned()));
    }
    found
}
