//! The layers: which module may import which, and what has only one door.
//!
//! Reads the sources as tokens. The table stands in [`rules`], and ARCHITECTURE.md shows the same one.

use std::path::{Path, PathBuf};

mod rules;
mod source;

/// The repository's top folder: tests run there. A path from the moment of compiling would be another checkout's
/// where several share a target folder.
fn top() -> &'static Path {
    Path::new(".")
}

/// Every Rust file below a folder, sorted.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_source_keeps_to_its_layer_and_its_doors() {
    let src = top().join("src");
    let mut faults = Vec::new();
    let files = sources(&src);
    assert!(files.len() > 20, "the sources were not found");
    for file in files {
        let inside = file.strip_prefix(&src).expect("it lies below `src`");
        let parts: Vec<_> = inside.iter().map(|part| part.to_str().expect("file names are UTF-8")).collect();
        let text = std::fs::read_to_string(&file).expect("sources are UTF-8");
        faults.extend(rules::faults(&parts.join("/"), &text));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_module_has_a_row_in_the_table() {
    let rows: Vec<String> = rules::allowed().into_iter().map(|(module, _)| module).collect();
    for entry in std::fs::read_dir(top().join("src")).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("file names are UTF-8").to_owned();
        assert!(name == "lib" || rows.contains(&name), "`{name}` is in no row");
    }
}

#[test]
fn the_table_only_points_upwards() {
    let mut above: Vec<String> = Vec::new();
    for (module, imports) in rules::allowed() {
        for import in imports {
            assert!(above.contains(&import), "`{module}` imports `{import}`, which is in no row above it");
        }
        assert!(!above.contains(&module), "`{module}` has two rows");
        above.push(module);
    }
}

#[test]
fn stages_never_import_each_other() {
    let stages = ["observe", "decide", "promote", "edit", "publish"];
    for (module, imports) in rules::allowed() {
        if stages.contains(&module.as_str()) {
            assert!(!imports.iter().any(|import| stages.contains(&import.as_str())), "`{module}` imports a stage");
        }
    }
}

#[test]
fn architecture_page_shows_the_same_table() {
    let page = std::fs::read_to_string(top().join("ARCHITECTURE.md")).expect("the page is there");
    let mut shown: Vec<(String, Vec<String>)> = Vec::new();
    let (_, section) = page.split_once("\n## Layers\n").expect("the page has a section on layers");
    let rows = section.lines().skip_while(|line| !line.starts_with("| ")).take_while(|line| line.starts_with('|'));
    for row in rows.skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        assert_eq!(cells.len(), 3, "a row has a module, its business and its imports: {row}");
        for module in in_backticks(cells[0]) {
            shown.push((module, in_backticks(cells[2])));
        }
    }
    assert_eq!(sorted(shown), sorted(rules::allowed()));
}

fn in_backticks(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn sorted(mut table: Vec<(String, Vec<String>)>) -> Vec<(String, Vec<String>)> {
    for (_, imports) in &mut table {
        imports.sort();
    }
    table.sort();
    table
}

/// The checker itself: small made-up sources, each with one fault, and some that look faulty and are not.
mod checker {
    use super::rules::faults;

    /// The faults of a source that is sound but for its body.
    fn of(path: &str, body: &str) -> Vec<String> {
        faults(path, &format!("//! A module.\n{body}\n"))
    }

    #[track_caller]
    fn finds(path: &str, body: &str, expected: &str) {
        let found = of(path, body);
        assert!(found.iter().any(|fault| fault.contains(expected)), "`{body}` in {path} gives {found:?}");
    }

    #[track_caller]
    fn passes(path: &str, body: &str) {
        assert_eq!(of(path, body), Vec::<String>::new(), "`{body}` in {path}");
    }

    #[test]
    fn finds_a_wrong_import_in_every_spelling() {
        let wrong = "`decide` may not import `git`";
        finds("decide/mod.rs", "use crate::git::Remote;", wrong);
        finds("decide/mod.rs", "pub use crate::git::Remote;", wrong);
        finds("decide/mod.rs", "pub(crate) use crate::git;", wrong);
        finds("decide/mod.rs", "use crate::{model::image::Tag, git::{Remote, BlobId}};", wrong);
        finds("decide/mod.rs", "use {crate::model, crate::git::Remote as R};", wrong);
        finds("decide/mod.rs", "use super::git::Remote;", wrong);
        finds("decide/family.rs", "use super::super::git;", wrong);
        finds("decide/mod.rs", "use super::{git as g, model};", wrong);
        finds("decide/mod.rs", "use self::super::git;", wrong);
        finds("decide/mod.rs", "mod tests { use super::super::git; }", wrong);
        finds("decide/mod.rs", "fn f() -> Option<crate::git::BlobId> { None }", wrong);
        finds("decide/mod.rs", "fn f() { let x = crate :: git :: open::<u8>(); }", wrong);
        finds("decide/mod.rs", "fn f() { g::<crate::git::BlobId>(); }", wrong);
        finds("decide/mod.rs", "fn f() { println_to!(w, \"{}\", crate::git::NAME); }", wrong);
        finds("decide/mod.rs", "macro_rules! m { () => { $crate::git::open() }; }", wrong);
        finds("decide/mod.rs", "pub struct A(pub (crate::git::BlobId, u8));", wrong);
        finds("decide/mod.rs", "impl crate::git::Remote for A {}", wrong);
        finds("main.rs", "fn main() { tagboat::git::open(); }", "`main` may not import `git`");
    }

    #[test]
    fn finds_an_import_of_everything() {
        for body in
            ["use crate::*;", "use super::*;", "use crate as all;", "use crate::{self as all};", "use super as all;"]
        {
            finds("git/mod.rs", body, "imports the whole crate");
        }
    }

    #[test]
    fn finds_a_module_that_is_in_no_row() {
        finds("helpers/mod.rs", "use crate::model::image::Tag;", "`helpers` is not in the table");
        finds("git/mod.rs", "use crate::helpers::join;", "`git` may not import `helpers`");
    }

    #[test]
    fn names_the_line_of_the_fault() {
        finds(
            "edit/mod.rs",
            "use crate::model;\n\nuse crate::policy;",
            "src/edit/mod.rs:4: `edit` may not import `policy`",
        );
    }

    #[test]
    fn passes_what_is_allowed() {
        passes("decide/mod.rs", "use crate::{model::image::Tag, policy};");
        passes("decide/family.rs", "use super::rank; use crate::decide::order; pub(crate) fn f() {}");
        passes("decide/family/tests.rs", "use super::*; pub(super) fn f() {} pub(in crate::decide) fn g() {}");
        passes("decide/mod.rs", "mod tests { use super::*; }");
        passes("decide/mod.rs", "struct A; impl A { fn f(&self) -> u8 { self.0 } }");
        passes("main.rs", "fn main() { tagboat::cli::main(); }");
        passes("lib.rs", "pub mod git; pub mod model;");
    }

    #[test]
    fn passes_names_in_comments_and_strings() {
        passes("decide/mod.rs", "// use crate::git;\n/* crate::git */\n/// See `crate::git`.\nfn f() {}");
        passes(
            "decide/mod.rs",
            "const A: &str = \"use crate::git; println!()\"; const B: &str = r#\"std::env::var\"#;",
        );
    }

    #[test]
    fn finds_a_program_that_is_started_elsewhere() {
        for body in [
            "use std::process::Command;",
            "use std::{io, process::{Command, Stdio}};",
            "use std::process; fn f() { process::Command::new(\"git\"); }",
            "use std::process::*;",
            "use std::process as p;",
            "fn f() { tokio::process::Command::new(\"git\"); }",
            "use tokio::{process::Command, sync::Mutex};",
        ] {
            finds(
                "edit/mod.rs",
                body,
                "starts programs outside of src/git/ and src/registry/credentials/ and src/cli/arenas.rs",
            );
            passes("git/program.rs", body);
            passes("registry/credentials/helper.rs", body);
        }
        passes("cli/mod.rs", "use std::process::ExitCode;");
    }

    #[test]
    fn finds_a_clock_that_is_read_elsewhere() {
        for body in [
            "fn f() { jiff::Timestamp::now(); }",
            "use std::time::SystemTime; fn f() { SystemTime::now(); }",
            "fn f() { let now = jiff::Zoned::now; }",
            "use jiff::Timestamp as T;",
            "fn f() { gix::date::Time::now_utc(); }",
        ] {
            finds("report/mod.rs", body, "reads the time outside of src/clock.rs");
            passes("clock.rs", body);
        }
        passes("report/mod.rs", "fn f(clock: &dyn Clock) { clock.now(); }");
    }

    #[test]
    fn finds_an_environment_that_is_read_elsewhere() {
        for body in [
            "fn f() { std::env::var(\"HOME\"); }",
            "use std::env; fn f() { env::vars_os(); }",
            "use std::env::{self, var_os};",
            "use std::env::*;",
            "use std::{env as e};",
        ] {
            finds("cli/mod.rs", body, "reads the environment outside of src/config/environment.rs");
            passes("config/environment.rs", body);
        }
        passes("cli/mod.rs", "fn f() { std::env::args(); env!(\"CARGO_PKG_VERSION\"); }");
        let argument = "struct A { #[arg(long, env = \"TAGBOAT_TOKEN\")] token: u8 }";
        finds("config/mod.rs", argument, "an argument that reads the environment");
        passes("cli/mod.rs", argument);
    }

    #[test]
    fn finds_printing_elsewhere() {
        for name in ["print", "println", "eprint", "eprintln", "dbg", "std::println"] {
            let body = format!("fn f() {{ {name}!(\"x\"); }}");
            finds("pass/mod.rs", &body, "outside of src/cli/ and src/report/");
            passes("cli/scan.rs", &body);
            passes("report/text.rs", &body);
        }
        passes("pass/mod.rs", "fn f() { let print = 1; if print != (2) {} writeln!(w, \"x\"); }");
    }

    #[test]
    fn finds_files_without_an_opening_and_files_that_are_too_long() {
        assert!(faults("git/mod.rs", "use std::fmt;\n")[0].contains("the first line is no `//!`"));
        assert!(faults("git/tests.rs", "use super::*;\n").is_empty());
        let long = "// A line.\n".repeat(599);
        passes("git/mod.rs", long.trim_end());
        finds("git/mod.rs", &long, "601 lines");
    }

    #[test]
    fn finds_what_hides_a_module() {
        finds("git/mod.rs", "#[path = \"../cli/mod.rs\"] mod hidden;", "`#[path]` hides");
        finds("git/mod.rs", "fn f( {", "cannot be read as Rust");
    }
}
