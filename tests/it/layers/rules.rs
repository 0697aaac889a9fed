//! The rules about sources: who may import whom, and what has only one door.
//!
//! Judges one file at a time from its path and its text; reads no file itself.

use super::source::{self, NamedPath};

/// Which top-level modules of the crate each of them may import. Rows import only what stands in rows above.
const ALLOWED: &[(&str, &str)] = &[
    ("model", ""),
    ("clock", ""),
    ("cores", ""),
    ("http", "model"),
    ("policy", "model"),
    ("report", "model"),
    ("config", "model policy"),
    ("manifest", "model policy"),
    ("migrate", "model policy manifest"),
    ("signature", "model"),
    ("registry", "model cores http clock signature"),
    ("forge", "model http clock"),
    ("source", "model http clock"),
    ("git", "model cores clock"),
    ("cache", "model clock"),
    ("observe", "model cores registry signature source git forge manifest cache clock"),
    ("decide", "model cores policy"),
    ("promote", "model policy"),
    ("edit", "model cores manifest"),
    ("publish", "model git forge clock"),
    (
        "pass",
        "model clock http policy report config manifest migrate registry signature forge source git cache observe decide promote edit publish",
    ),
    ("queue", "model clock registry cache"),
    ("service", "model queue pass config report cache clock http"),
    ("demo", "model pass git forge config report clock"),
    ("cli", "model service pass config report cache demo clock http"),
    ("main", "cli"),
];

/// Past this many lines a concept wants its own room.
const LONGEST_FILE: usize = 600;

/// The table of allowed imports: one row a module, its imports in order.
pub(crate) fn allowed() -> Vec<(String, Vec<String>)> {
    let words = |list: &str| list.split_whitespace().map(str::to_owned).collect();
    ALLOWED.iter().map(|(module, imports)| ((*module).to_owned(), words(imports))).collect()
}

/// Judges one file; `path` is relative to `src/`, with `/` between its parts.
pub(crate) fn faults(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    // A module's own tests need no opening of their own.
    let tests = path == "tests.rs" || path.ends_with("/tests.rs");
    if !tests && !text.starts_with("//!") {
        faults.push(format!("src/{path}:1: the first line is no `//!`: say what the module owns"));
    }
    let length = text.lines().count();
    if length > LONGEST_FILE {
        faults.push(format!("src/{path}: {length} lines; past {LONGEST_FILE} a concept wants its own room"));
    }
    let module = module_of(path);
    let names = match source::read(text, &module) {
        Ok(names) => names,
        Err(message) => {
            faults.push(format!("src/{path}: cannot be read as Rust: {message}"));
            return faults;
        }
    };
    let mut found: Vec<(usize, String)> = Vec::new();
    for named in &names.paths {
        let problems = [wrong_import(path, &module, named), wrong_door(path, named)];
        found.extend(problems.into_iter().flatten().map(|problem| (named.line, problem)));
    }
    for (name, line) in &names.macros {
        let prints = matches!(name.as_str(), "print" | "println" | "eprint" | "eprintln" | "dbg");
        if prints && !within(path, &["cli/", "report/"]) {
            found.push((*line, format!("`{name}!` outside of src/cli/ and src/report/: return what is to be shown")));
        }
    }
    for (words, line) in &names.attributes {
        let first = words.first().map_or("", String::as_str);
        if first == "path" && words.get(1).is_some_and(|w| w == "=") {
            found.push((*line, "`#[path]` hides which module a file is".to_owned()));
        }
        if first == "arg" && words.iter().any(|w| w == "env") && !within(path, &["cli/"]) {
            found.push((*line, "an argument that reads the environment outside of src/cli/".to_owned()));
        }
    }
    found.sort();
    found.dedup();
    faults.extend(found.into_iter().map(|(line, problem)| format!("src/{path}:{line}: {problem}")));
    faults
}

/// `git/mod.rs` is `["git"]`, `git/push.rs` is `["git", "push"]`, the two roots are `[]`.
fn module_of(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let root = parts.len() == 1 && (parts[0] == "lib" || parts[0] == "main");
    if root || parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

fn wrong_import(path: &str, module: &[String], named: &NamedPath) -> Option<String> {
    let own = match path {
        "lib.rs" => "lib",
        "main.rs" => "main",
        _ => module.first()?.as_str(),
    };
    match named.parts.first().map(String::as_str) {
        Some("crate") => {}
        // The binary knows the library by its name.
        Some("tagboat") if own == "main" => {}
        None => return Some("climbs out of the crate".to_owned()),
        _ => return None,
    }
    let target = match named.parts.get(1).map(String::as_str) {
        None | Some("*") => return Some("imports the whole crate".to_owned()),
        Some(target) if target == own => return None,
        Some(target) => target,
    };
    let Some((_, imports)) = ALLOWED.iter().find(|(name, _)| *name == own) else {
        return Some(format!("`{own}` is not in the table of layers, and imports `{target}`"));
    };
    let fine = imports.split_whitespace().any(|import| import == target);
    (!fine).then(|| format!("`{own}` may not import `{target}`"))
}

/// Something that only some files may do, and the names by which it is done.
struct Door {
    what: &'static str,
    places: &'static [&'static str],
    subjects: &'static [&'static str],
    names: &'static [&'static str],
}

const DOORS: &[Door] = &[
    Door {
        what: "starts programs",
        places: &["git/", "registry/credentials/", "cli/arenas.rs"],
        subjects: &["process"],
        names: &["Command", "*"],
    },
    Door {
        what: "reads the time",
        places: &["clock.rs"],
        subjects: &["SystemTime", "Timestamp", "Zoned", "Time"],
        names: &["now", "now_utc", "now_local", "now_local_or_utc"],
    },
    Door {
        what: "reads the environment",
        places: &["config/environment.rs"],
        subjects: &["env"],
        names: &["var", "var_os", "vars", "vars_os", "*"],
    },
];

fn wrong_door(path: &str, named: &NamedPath) -> Option<String> {
    let parts: Vec<&str> = named.parts.iter().map(String::as_str).collect();
    DOORS.iter().filter(|door| !within(path, door.places)).find_map(|door| {
        let used = parts.windows(2).any(|pair| door.subjects.contains(&pair[0]) && door.names.contains(&pair[1]));
        let hidden = named.renamed && parts.len() > 1 && parts.last().is_some_and(|last| door.subjects.contains(last));
        let places = door.places.join(" and src/");
        (used || hidden).then(|| format!("`{}` {} outside of src/{places}", parts.join("::"), door.what))
    })
}

fn within(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| if place.ends_with('/') { path.starts_with(place) } else { path == *place })
}
