//! What README, the book and `--help` tell people to type: run in a clone of its own with the registry of this process, or
//! read with a reason why it is not run.

use std::collections::BTreeMap;
use std::path::Path;

use assert_cmd::Command;

use crate::program::{Ran, World, deployment};
use crate::support::repository::Repository;

/// What becomes of a command in these tests.
#[derive(Debug)]
enum Fate {
    /// It is run after these, and ends with this code.
    Run(&'static [&'static str], i32),
    /// It is read, and other tests or nobody runs it.
    Read(&'static str),
}

/// What Flux leaves in a repository.
const FLUX: &str = "printf '%s\n' 'apiVersion: image.toolkit.fluxcd.io/v1' 'kind: ImageRepository' 'metadata: {name: web}' \
    'spec: {image: ghcr.io/acme/web, interval: 5m}' --- 'apiVersion: image.toolkit.fluxcd.io/v1' 'kind: ImagePolicy' \
    'metadata: {name: web}' 'spec: {imageRepositoryRef: {name: web}, policy: {semver: {range: 1.x}}}' >flux.yaml";

/// What Argo CD Image Updater leaves in one.
const ARGOCD: &str = "printf '%s\n' 'apiVersion: argoproj.io/v1alpha1' 'kind: Application' 'metadata:' '  name: web' \
    '  annotations: {argocd-image-updater.argoproj.io/image-list: web=ghcr.io/acme/web:1.x}' \
    'spec: {source: {repoURL: ., path: envs/dev}}' >application.yaml";

/// What there has to be for `release` to end.
const HOLD: &str = "tagboat hold ghcr.io/acme/web:1.5.0 -e prod --reason 'loses sessions'";
const HOLD_OTHER: &str = "tagboat hold ghcr.io/acme/web:1.5.1 -e prod --reason 'loses sessions'";

/// Says what becomes of a command, by how it begins.
fn fate(command: &str) -> Fate {
    let begins = |start: &str| command == start || command.starts_with(&format!("{start} "));
    let is_name = command.split_whitespace().count() == 2 && !command.contains("--");
    if begins("tagboat serve") {
        Fate::Read("it ends with a signal alone; `program::serve` runs it")
    } else if begins("tagboat demo") {
        Fate::Read("`program::demo` runs it")
    } else if command.contains("--forge github")
        || command.contains("--forge gitea")
        || command.contains("check --forge")
    {
        Fate::Read("there is no such forge; `program::forges` and `program::github` run them")
    } else if command.contains("--repo ssh://") {
        Fate::Read("there is no such server; `git::ssh` runs it")
    } else if command.contains(" … ") || command.contains("…:…") {
        Fate::Read("it is shortened")
    } else if begins("tagboat rollback canary") {
        Fate::Read("its page has environments of its own; `program::branches` runs it")
    } else if command.contains("plan --exit-code") {
        Fate::Run(&[], 10)
    } else if is_name
        && ["hold", "release", "rollback", "promote", "explain", "snapshot", "migrate"]
            .iter()
            .any(|name| begins(&format!("tagboat {name}")))
    {
        Fate::Read("it is the command's name")
    } else if begins("tagboat release") {
        Fate::Run(&[HOLD, HOLD_OTHER], 0)
    } else if command.contains("--snapshot tags.json") {
        Fate::Run(&["tagboat snapshot --out tags.json"], 0)
    } else if begins("tagboat migrate flux") {
        Fate::Run(&[FLUX, "rm .tagboat.yaml"], 0)
    } else if begins("tagboat migrate argocd") {
        Fate::Run(&[ARGOCD, "rm .tagboat.yaml"], 0)
    } else if begins("tagboat migrate renovate") {
        Fate::Run(&["echo '{\"docker\": {\"enabled\": true}}' >renovate.json", "rm .tagboat.yaml"], 0)
    } else if begins("tagboat init") {
        Fate::Run(&["rm .tagboat.yaml"], 0)
    } else {
        Fate::Run(&[], 0)
    }
}

/// Every command that people are told to type, with the place that tells it.
fn told() -> BTreeMap<String, String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = ["", "docs"].iter().flat_map(|folder| std::fs::read_dir(top.join(folder)).unwrap());
    let pages =
        pages.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let mut found = BTreeMap::new();
    for page in pages.filter(|path| !path.ends_with("CHANGELOG.md")) {
        let name = page.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&page).unwrap();
        for (number, line) in text.lines().enumerate() {
            let at = format!("{name}:{}", number + 1);
            if let Some(command) = line.trim_start().strip_prefix("$ ") {
                let command = command.split(" #").next().unwrap().trim();
                if let Some(command) = command.strip_prefix("cargo run --release -- ") {
                    found.insert(format!("tagboat {command}"), at);
                } else if command.starts_with("tagboat ") {
                    found.insert(command.to_owned(), at);
                }
            } else {
                let spans = line.split('`').skip(1).step_by(2).filter(|span| span.starts_with("tagboat "));
                found.extend(spans.map(|span| (filled(span), at.clone())));
            }
        }
    }
    found.extend(examples());
    found
}

/// The examples of each command's help.
fn examples() -> Vec<(String, String)> {
    let help = |arguments: &[&str]| {
        let asked = Command::new(env!("CARGO_BIN_EXE_tagboat")).args(arguments).arg("--help").output().unwrap();
        String::from_utf8(asked.stdout).unwrap()
    };
    let all = help(&[]);
    let listed = all.split("\nCommands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let mut found = Vec::new();
    for name in names.map(|line| line.split_whitespace().next().unwrap()).filter(|name| *name != "help") {
        let page = help(&[name]);
        let of_it = page.lines().filter_map(|line| line.strip_prefix("  tagboat "));
        let commands: Vec<String> =
            of_it.map(|rest| format!("tagboat {}", rest.split("  ").next().unwrap().trim())).collect();
        assert!(!commands.is_empty(), "`{name} --help` has no example");
        found.extend(commands.into_iter().map(|command| (command, format!("{name} --help"))));
    }
    found
}

/// Puts something in for what stands for a name.
fn filled(command: &str) -> String {
    let mut command = command.to_owned();
    let names = [
        ("IMAGE[:TAG]", "ghcr.io/acme/web:1.5.1"),
        ("IMAGE:TAG", "ghcr.io/acme/web:1.5.1"),
        ("GROUP:TAG", "shop:1.5.1"),
        ("IMAGE", "ghcr.io/acme/web"),
        ("ENV", "prod"),
        ("TIME", "2026-12-01T09:00:00Z"),
        ("--reason R", "--reason 'it is slow'"),
        ("--reason …", "--reason 'it is slow'"),
    ];
    for (placeholder, name) in names {
        command = command.replace(placeholder, name);
    }
    command
}

/// A repository with three environments, of which production is behind.
fn repository(world: &World) -> Repository {
    let host = world.registry.host();
    for tag in ["1.3.0", "1.4.0", "1.5.0", "1.5.1", "1.6.0"] {
        world.push("acme/web", tag);
    }
    // As short as people call it.
    world.push("acme/nginx", "1.27.0");
    let config = format!(
        "version: 1\nimages:\n  - match: {host}/**\n    semver: minor\ngroups:\n  - name: shop\n    images: ['{host}/acme/web']\nenvironments:\n  \
         - name: dev\n    files: [envs/dev/**]\n    publish: commit\n  \
         - name: staging\n    files: [envs/staging/**]\n    after: dev\n    publish: commit\n  \
         - name: prod\n    files: [envs/prod/**]\n    after: staging\n    publish: commit\n"
    );
    let web = |tag: &str| deployment(&format!("{host}/acme/web:{tag}"));
    let bare = world.scratch.empty("gitops.git");
    let work = world.scratch.work("first", &[]);
    let nginx = deployment(&format!("{host}/acme/nginx:1.27.0"));
    let first = [
        (".tagboat.yaml", config.as_str()),
        ("envs/dev/web.yaml", &web("1.4.0")),
        ("envs/dev/nginx.yaml", &nginx),
        ("envs/staging/web.yaml", &web("1.4.0")),
        ("envs/prod/web.yaml", &web("1.3.0")),
    ];
    work.commit_files(&first, "Begin", 1);
    work.commit_files(&[("envs/prod/web.yaml", &web("1.4.0"))], "Bring 1.4.0 to prod", 2);
    work.commit_files(
        &[("envs/dev/web.yaml", &web("1.5.1")), ("envs/staging/web.yaml", &web("1.5.1"))],
        "Bring 1.5.1 to staging",
        3,
    );
    work.git(&["push", "--quiet", &bare.folder.display().to_string(), "main"]);
    bare
}

/// Runs a line as a shell does, in a clone of its own of the repository.
fn run(world: &World, from: &Repository, index: usize, lines: &[&str]) -> Vec<Ran> {
    let (bare, work) = (world.scratch.path(&format!("{index}.git")), world.scratch.path(&format!("{index}")));
    let url = format!("file://{}", bare.display());
    from.git(&["clone", "--quiet", "--bare", &from.folder.display().to_string(), &bare.display().to_string()]);
    from.git(&["clone", "--quiet", &url, &work.display().to_string()]);
    std::fs::write(work.join("service.yaml"), "version: 1\n").unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_tagboat")).parent().unwrap();
    let search = world.variables().into_iter().find(|(name, _)| *name == "PATH").unwrap().1;
    let search = std::iter::once(program.to_owned()).chain(std::env::split_paths(&search).collect::<Vec<_>>());
    let search = std::env::join_paths(search).unwrap();
    let each = lines.iter().map(|line| {
        let line = line.replace("ghcr.io/", &format!("{}/", world.registry.host()));
        let line = ["https://git.acme.example/acme/gitops", "https://github.com/acme/gitops"]
            .iter()
            .fold(line, |line, address| line.replace(address, &url));
        let mut bash = Command::new("bash");
        bash.args(["-c", &line]).current_dir(&work).env_clear().envs(world.variables()).env("PATH", &search);
        bash.env("GIT_PAGER", "cat").env("GIT_CONFIG_GLOBAL", "/dev/null");
        world.finish(&mut bash)
    });
    each.collect()
}

/// Runs or reads every third command, from the one at this place on.
fn holds(from: usize) {
    let world = World::new();
    let bare = repository(&world);
    let (mut ran, mut failed) = (0, Vec::new());
    for (index, (command, at)) in told().iter().enumerate().filter(|(index, _)| index % 3 == from) {
        match fate(command) {
            Fate::Run(before, code) => {
                ran += 1;
                let lines: Vec<&str> = before.iter().copied().chain(std::iter::once(command.as_str())).collect();
                let mut results = run(&world, &bare, index, &lines);
                let last = results.pop().unwrap();
                if last.code != code {
                    failed.push(format!("{at}: {command}: {last:?}, after {results:?}"));
                }
            }
            Fate::Read(_) => {
                let words = crate::documents::words(command.split(" && ").next().unwrap());
                let asked =
                    Command::new(env!("CARGO_BIN_EXE_tagboat")).args(&words[1..]).arg("--help").output().unwrap();
                assert!(asked.status.success(), "{at}: {command}: {}", String::from_utf8_lossy(&asked.stderr));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(ran > 10, "{ran} commands");
}

#[test]
fn the_first_third_of_the_commands_that_people_are_told_do_what_they_are_told_for() {
    holds(0);
}

#[test]
fn the_second_third_of_the_commands_that_people_are_told_do_what_they_are_told_for() {
    holds(1);
}

#[test]
fn the_last_third_of_the_commands_that_people_are_told_do_what_they_are_told_for() {
    holds(2);
}

#[test]
fn only_these_commands_that_people_are_told_are_not_run() {
    let read = told().into_keys().filter_map(|command| match fate(&command) {
        Fate::Read(why) => Some(format!("{command}: {why}")),
        Fate::Run(..) => None,
    });
    insta::assert_snapshot!(read.collect::<Vec<_>>().join("\n"), @"
    tagboat check --forge: there is no such forge; `program::forges` and `program::github` run them
    tagboat check --forge gitea: there is no such forge; `program::forges` and `program::github` run them
    tagboat demo: `program::demo` runs it
    tagboat explain: it is the command's name
    tagboat hold: it is the command's name
    tagboat promote: it is the command's name
    tagboat promote … --skip manual: it is shortened
    tagboat promote …:… --to …: it is shortened
    tagboat promote …:… --to … --now --reason 'it is slow': it is shortened
    tagboat release: it is the command's name
    tagboat rollback: it is the command's name
    tagboat rollback canary web: its page has environments of its own; `program::branches` runs it
    tagboat rollback … …: it is shortened
    tagboat rollback … … --to …: it is shortened
    tagboat run --repo https://git.acme.example/acme/gitops --branch main --forge gitea --ask-all: there is no such forge; `program::forges` and `program::github` run them
    tagboat run --repo https://git.acme.example/acme/gitops --forge gitea: there is no such forge; `program::forges` and `program::github` run them
    tagboat run --repo https://git.acme.example/acme/gitops --forge github: there is no such forge; `program::forges` and `program::github` run them
    tagboat run --repo ssh://git@git.acme.example/acme/gitops.git --forge plain: there is no such server; `git::ssh` runs it
    tagboat serve --config service.yaml: it ends with a signal alone; `program::serve` runs it
    tagboat serve --config service.yaml --log-format json: it ends with a signal alone; `program::serve` runs it
    tagboat snapshot: it is the command's name
    ");
}
