//! README and the pages of the book: links lead somewhere, configurations are read, commands are commands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
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

#[test]
fn every_command_is_one() {
    let mut told = BTreeSet::new();
    for page in pages() {
        for (line, block) in page.blocks("console") {
            for command in block.lines().filter_map(|line| line.strip_prefix("$ tagboat ")) {
                told.insert((page.path.clone(), line, command.to_owned()));
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

/// Splits a command as a shell does, with single quotes alone.
fn words(command: &str) -> Vec<String> {
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
