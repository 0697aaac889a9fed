//! README and the pages of the book: links lead somewhere, every block is read, commands are commands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tagboat::config::{holds, repository, service};

/// A page, by its path from the top.
struct Page {
    path: PathBuf,
    text: String,
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<Page> {
    let of = |folder: &str| {
        let entries = std::fs::read_dir(top().join(folder)).unwrap();
        let found = entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name()));
        found.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect::<Vec<_>>()
    };
    let mut paths = [of(""), of("docs")].concat();
    paths.sort();
    paths.into_iter().map(|path| Page { text: std::fs::read_to_string(top().join(&path)).unwrap(), path }).collect()
}

impl Page {
    /// The fenced blocks of a language, without their indentation, each with the line it begins at.
    fn blocks(&self, language: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(opened) = line.trim_start().strip_prefix("```") else { continue };
            let indent = line.len() - line.trim_start().len();
            let body: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line.get(indent.min(line.len() - line.trim_start().len())..).unwrap_or(""))
                .take_while(|line| !line.starts_with("```"))
                .collect();
            if opened.trim() == language {
                found.push((number + 2, format!("{}\n", body.join("\n"))));
            }
        }
        found
    }

    /// The text outside of fenced blocks and of code.
    fn prose(&self) -> String {
        let mut kept = String::new();
        let mut is_code = false;
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if !is_code {
                let parts = line.split('`').enumerate();
                kept.extend(parts.map(|(index, part)| if index % 2 == 0 { part } else { "·" }));
                kept.push('\n');
            }
        }
        kept
    }

    /// The anchors of its headings, as forges and mdBook make them, and those written by hand.
    fn anchors(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for line in self.text.lines() {
            if line.starts_with('#') {
                let title = line.trim_start_matches('#').trim();
                let word = |character: char| match character {
                    ' ' => Some('-'),
                    '-' | '_' => Some(character),
                    other if other.is_alphanumeric() => Some(other.to_ascii_lowercase()),
                    _ => None,
                };
                found.insert(title.chars().filter_map(word).collect());
            }
            found.extend(line.split("id=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
        found
    }
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut links = 0;
    for page in &pages {
        for rest in page.prose().split("](").skip(1) {
            let link = rest.split(')').next().unwrap();
            if link.starts_with("https://") {
                continue;
            }
            links += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.path.clone() } else { page.path.parent().unwrap().join(file) };
            // In the book there is nothing but the pages and their pictures.
            let is_kept = !file.contains('/') || file.starts_with("images/");
            assert!(page.path.parent() != Some(Path::new("docs")) || is_kept, "{}: {link}", page.path.display());
            assert!(top().join(&target).exists(), "{}: {link} leads nowhere", page.path.display());
            if !anchor.is_empty() {
                let other = pages.iter().find(|other| other.path == target).unwrap();
                assert!(other.anchors().contains(anchor), "{}: {link} has no such heading", page.path.display());
            }
        }
    }
    assert!(links > 30, "{links} links");
}

#[test]
fn every_page_of_the_book_is_in_its_table_of_contents() {
    let contents = std::fs::read_to_string(top().join("docs/SUMMARY.md")).unwrap();
    for page in pages().iter().filter(|page| page.path.starts_with("docs") && !page.path.ends_with("SUMMARY.md")) {
        let name = page.path.file_name().unwrap().to_str().unwrap();
        assert!(contents.contains(&format!("]({name})")), "{name} is in no table of contents");
    }
}

#[test]
fn every_whole_configuration_is_one() {
    let mut read = 0;
    for page in pages() {
        for (line, block) in page.blocks("yaml") {
            if !block.starts_with("version: 1\n") {
                continue;
            }
            read += 1;
            let (name, bytes) = ("block.yaml", block.as_bytes());
            let keys = |names: &[&str]| names.iter().any(|name| block.lines().any(|line| line.starts_with(name)));
            let faults = if keys(&["holds:"]) {
                holds::parse(name, bytes).map(|_| ()).err()
            } else if keys(&["images:", "environments:", "formats:", "groups:", "commit:", "pullRequest:"]) {
                repository::parse(name, bytes).map(|_| ()).err()
            } else {
                service::parse(name, bytes).map(|_| ()).err()
            };
            assert!(faults.is_none(), "{}:{line}: {faults:?}", page.path.display());
        }
    }
    assert!(read > 10, "{read} configurations");
}

/// Languages of blocks, and who reads them. Blocks with a file's name behind the language are scanned by the tests of formats.
const LANGUAGES: [&str; 5] = ["yaml", "console", "json", "rust", "text"];

/// Keys that begin a part of `service.yaml`.
const OF_SERVICE: [&str; 10] = [
    "hosts:",
    "access:",
    "registries:",
    "repositories:",
    "sources:",
    "limits:",
    "webhooks:",
    "notify:",
    "queue:",
    "log:",
];

/// Keys that begin a part of `.tagboat.yaml`.
const OF_REPOSITORY: [&str; 6] = ["images:", "environments:", "groups:", "formats:", "commit:", "pullRequest:"];

#[test]
fn every_block_says_what_it_is() {
    for page in pages() {
        let mut is_inside = false;
        for (number, line) in page.text.lines().enumerate() {
            let Some(opened) = line.trim_start().strip_prefix("```") else { continue };
            is_inside = !is_inside;
            // A page of the book about formats names the file that each block would be.
            let is_named = opened.contains(' ') && page.path.ends_with("formats.md");
            let is_known = !is_inside || is_named || LANGUAGES.contains(&opened);
            assert!(is_known, "{}:{}: a block `{opened}`, which no test reads", page.path.display(), number + 1);
        }
    }
}

#[test]
fn every_part_of_a_configuration_is_one() {
    let mut read = [0; 3];
    for page in pages() {
        for (line, block) in page.blocks("yaml") {
            let at = format!("{}:{line}", page.path.display());
            let begins = |keys: &[&str]| keys.iter().any(|key| block.starts_with(key));
            if block.starts_with("version: 1\n") {
                continue;
            } else if begins(&OF_SERVICE) {
                read[0] += 1;
                let faults = service::parse("part.yaml", format!("version: 1\n{block}").as_bytes()).err();
                assert!(faults.is_none(), "{at}: {faults:?}");
            } else if begins(&OF_REPOSITORY) {
                read[1] += 1;
                let faults = repository::parse("part.yaml", format!("version: 1\n{block}").as_bytes()).err();
                assert!(faults.is_none(), "{at}: {faults:?}");
            } else {
                read[2] += 1;
                // What others read: each of its documents is YAML. Gates are read by the test of promotion's page.
                for document in block.split("\n---\n") {
                    let parsed: Result<Value, _> = serde_saphyr::from_str(document);
                    assert!(parsed.is_ok(), "{at}: {parsed:?}");
                }
            }
        }
        for (line, block) in page.blocks("rust") {
            let parsed: Result<proc_macro2::TokenStream, _> = block.parse();
            assert!(parsed.is_ok(), "{}:{line}: {parsed:?}", page.path.display());
        }
        for (line, block) in page.blocks("json") {
            // One value or several.
            for parsed in serde_json::Deserializer::from_str(&block).into_iter::<Value>() {
                assert!(parsed.is_ok(), "{}:{line}: {parsed:?}", page.path.display());
            }
        }
    }
    assert!(read.iter().all(|count| *count > 0), "{read:?}");
}

/// The names below a key of the action's metadata.
fn of_action(kind: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(top().join("action.yml")).unwrap();
    let action: Value = serde_saphyr::from_str(&text).unwrap();
    action[kind].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_page_about_ci_names_every_input_and_output_of_the_action() {
    let page = std::fs::read_to_string(top().join("docs/ci.md")).unwrap();
    let section = |title: &str| {
        let (_, after) = page.split_once(&format!("\n### {title}\n")).unwrap();
        let rows = after.split("\n#").next().unwrap().lines().filter(|line| line.starts_with("| `"));
        let cells = rows.filter_map(|row| row.split(" | ").next());
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(section("Inputs"), of_action("inputs"));
    assert_eq!(section("Outputs"), of_action("outputs"));
}

#[test]
fn the_component_of_gitlab_takes_what_the_action_takes() {
    let text = std::fs::read_to_string(top().join("templates/tagboat.yml")).unwrap();
    let component: Value = serde_saphyr::from_str(text.split("\n---\n").next().unwrap()).unwrap();
    let has: BTreeSet<&str> = component["spec"]["inputs"].as_object().unwrap().keys().map(String::as_str).collect();
    // There `image` is what the job runs in; the release is its tag, and the token a variable of the project.
    let elsewhere = ["token", "checksum", "binary", "releases", "version", "image"];
    for input in of_action("inputs").iter().map(String::as_str).filter(|input| !elsewhere.contains(input)) {
        assert!(has.contains(input), "templates/tagboat.yml has no input {input}");
        let variable = format!("INPUT_{}: \"$[[ inputs.{input} ]]\"", input.to_uppercase().replace('-', "_"));
        assert!(text.contains(&variable), "templates/tagboat.yml does not hand on {input}");
    }
    assert!(text.contains("INPUT_IMAGE: \"$[[ inputs.version ]]\""));
}

#[test]
fn every_step_that_uses_the_action_gives_inputs_that_it_has() {
    let inputs = of_action("inputs");
    let mut texts: Vec<(String, String)> = Vec::new();
    for page in pages() {
        texts.extend(
            page.blocks("yaml").into_iter().map(|(line, text)| (format!("{}:{line}", page.path.display()), text)),
        );
    }
    for entry in std::fs::read_dir(top().join("examples/github")).unwrap() {
        let path = entry.unwrap().path();
        texts.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
    }
    let mut steps = 0;
    let own = crate::samples::own_action();
    for (at, text) in texts.iter().filter(|(_, text)| text.contains(&own)) {
        let document: Value = serde_saphyr::from_str(text).unwrap();
        for step in steps_of(&document).filter(|step| step["uses"].as_str().unwrap().starts_with(&own)) {
            steps += 1;
            for given in step["with"].as_object().into_iter().flat_map(|with| with.keys()) {
                assert!(inputs.contains(given), "{at}: the action has no input {given}");
            }
        }
    }
    assert!(steps > 5, "{steps} steps");
}

/// Every mapping with the key `uses`.
fn steps_of(document: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match document {
        Value::Array(items) => Box::new(items.iter().flat_map(steps_of)),
        Value::Object(keys) if keys.contains_key("uses") => Box::new(std::iter::once(document)),
        Value::Object(keys) => Box::new(keys.values().flat_map(steps_of)),
        _ => Box::new(std::iter::empty()),
    }
}

#[test]
fn every_command_is_one() {
    let mut told = BTreeSet::new();
    for page in pages() {
        for (line, block) in page.blocks("console") {
            for command in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
                let own = ["tagboat ", "cargo run --release -- "].iter().find_map(|begin| command.strip_prefix(begin));
                if let Some(command) = own {
                    told.insert((page.path.clone(), line, command.to_owned()));
                } else {
                    assert_is_there(&page.path, line, command);
                }
            }
        }
    }
    assert!(told.len() > 10, "{told:?}");
    for (page, line, command) in told {
        // Up to a comment, a redirection, or another command.
        let end = [" #", " > ", " | ", " && "].iter().filter_map(|sign| command.find(sign)).min();
        let words = words(&command[..end.unwrap_or(command.len())]);
        let asked = Command::new(env!("CARGO_BIN_EXE_tagboat")).args(&words).arg("--help").output().unwrap();
        let error = String::from_utf8_lossy(&asked.stderr);
        assert!(asked.status.success(), "{}:{line}: {command}: {error}", page.display());
    }
}

/// What a newcomer is told to run beside the program: something of the repository, or what everybody knows.
fn assert_is_there(page: &Path, line: usize, command: &str) {
    let known =
        ["cargo", "git", "rustup", "ssh-keygen", "docker", "kubectl", "curl", "gh", "cosign", "htpasswd", "sudo"];
    let program = command.split_whitespace().find(|word| !word.contains('=')).unwrap();
    let of_folder = page.parent().unwrap().to_owned();
    let is_file = |folder: &Path| top().join(folder).join(program).is_file();
    let is_there = program.contains('/') && (is_file(Path::new("")) || is_file(&of_folder));
    let is_checks = program.starts_with("$TAGBOAT_CHECKS/");
    assert!(is_there || is_checks || known.contains(&program), "{}:{line}: there is no {program}", page.display());
    for command in command.split(" #").next().unwrap().split(" && ").map(str::trim) {
        assert_has_options(&format!("{}:{line}", page.display()), command);
    }
}

/// Whether `cargo` and `git`, which are here, have the subcommand and its long options; of others the name alone is known.
fn assert_has_options(at: &str, command: &str) {
    let mut words = command.split_whitespace().skip_while(|word| word.contains('='));
    let Some(program @ ("cargo" | "git")) = words.next() else { return };
    let subcommand = words.next().unwrap();
    let asked = Command::new(program).arg(subcommand).arg("-h").output().unwrap();
    let help = [asked.stdout, asked.stderr].concat();
    let help = String::from_utf8_lossy(&help);
    assert!(help.to_lowercase().contains("usage: "), "{at}: {program} has no {subcommand}: {help}");
    for option in words.take_while(|word| *word != "--").filter_map(|word| word.strip_prefix("--")) {
        let name = option.split('=').next().unwrap();
        let has = [format!("--{name}"), format!("--[no-]{name}")].iter().any(|option| help.contains(option.as_str()));
        assert!(has, "{at}: {program} {subcommand} has no --{name}");
    }
}

#[test]
fn a_command_of_cargo_or_git_that_is_none_is_noticed() {
    let is_refused = |command: &str| std::panic::catch_unwind(|| assert_has_options("here", command)).is_err();
    for command in
        ["cargo test --tset it", "cargo instal x", "UPDATE=1 cargo test --uncovered", "git dif", "git diff-tre x"]
    {
        assert!(is_refused(command), "{command}");
    }
    for command in
        ["UPDATE=1 cargo test --release --test it", "cargo test -- --anything", "git diff tests", "curl --nothing"]
    {
        assert!(!is_refused(command), "{command}");
    }
}

#[test]
fn every_rule_of_check_is_explained_once_and_every_number_is_there() {
    let read = |path: &str| std::fs::read_to_string(top().join(path)).unwrap();
    let page = read("docs/troubleshooting.md");
    let rules = page.split("\n| rule | says |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rules = rules.lines().filter_map(|row| row.strip_prefix("| `")).flat_map(|row| {
        let cell = row.split(" | ").next().unwrap();
        cell.split('`').step_by(2).filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    });
    let rules: Vec<String> = rules.collect();
    let distinct: BTreeSet<&String> = rules.iter().collect();
    assert!(rules.len() > 15 && distinct.len() == rules.len(), "{rules:?}");
    let readme = read("README.md");
    let numbers = readme.split("\n## Numbers\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> = numbers.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 2 && rows.iter().all(|row| !row.contains("| |")), "{rows:?}");
}

/// Splits a command as a shell does, with single quotes alone.
pub(crate) fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn what_is_deployed_to_kubernetes_is_read_and_listens_for_others_only_there() {
    let folders = std::fs::read_dir(top().join("config/kubernetes")).unwrap();
    let files = folders.map(|entry| entry.unwrap().path().join("tagboat.yaml")).filter(|path| path.exists());
    let mut queues = Vec::new();
    for path in files {
        let read = service::parse("tagboat.yaml", &std::fs::read(&path).unwrap());
        let read = read.unwrap_or_else(|faults| panic!("{}: {faults:?}", path.display()));
        assert!(read.listen.ip().is_unspecified() && !read.repositories.is_empty(), "{}", path.display());
        queues.push(matches!(read.queue, service::Queue::Nats { .. }));
    }
    queues.sort_unstable();
    assert_eq!(queues, [false, true], "one replica is alone, several share their work");
    assert!(service::Service::without_configuration().listen.ip().is_loopback());
    assert!(service::parse("service.yaml", b"version: 1\n").unwrap().listen.ip().is_loopback());
}
