//! What a working tree tells of its remote and branch.

use std::path::{Path, PathBuf};

use tagboat::git::checkout::{Checkout, CheckoutError};

use crate::support::repository::Scratch;

fn discover(dir: &Path) -> Result<(PathBuf, String, String), CheckoutError> {
    let checkout = Checkout::discover(dir)?;
    let root = checkout.root.canonicalize().unwrap();
    Ok((root, checkout.origin.to_string(), checkout.branch.to_string()))
}

#[test]
fn finds_root_origin_and_branch_from_below() {
    let scratch = Scratch::new();
    let work = scratch.work("wörk tree", &[("envs/dev/web.yaml", "1\n")]);
    let root = work.folder.canonicalize().unwrap();
    work.git(&["remote", "add", "origin", "https://github.com/acme/gitops.git"]);
    work.git(&["checkout", "--quiet", "-b", "feature/ü"]);
    let expected = (root.clone(), "https://github.com/acme/gitops.git".to_owned(), "feature/ü".to_owned());
    assert_eq!(discover(&work.folder), Ok(expected.clone()));
    assert_eq!(discover(&work.folder.join("envs/dev")), Ok(expected));

    work.git(&["worktree", "add", "--quiet", "-b", "second", "../linked tree"]);
    let linked = scratch.path("linked tree");
    let expected = (linked.canonicalize().unwrap(), "https://github.com/acme/gitops.git".to_owned(), "second".into());
    assert_eq!(discover(&linked), Ok(expected));

    work.git(&["remote", "set-url", "origin", "../bare.git"]);
    assert_eq!(discover(&work.folder).unwrap().1, work.folder.join("../bare.git").display().to_string());
    work.git(&["remote", "set-url", "origin", "https://ci:hunter2@gitlab.com/acme/gitops.git"]);
    assert_eq!(discover(&work.folder).unwrap().1, "https://gitlab.com/acme/gitops.git");
}

#[test]
fn works_on_shallow_checkouts() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    let url = format!("file://{}", remote.folder.display());
    let clone = scratch.path("clone");
    remote.git(&["clone", "--quiet", "--depth=1", &url, &clone.display().to_string()]);
    assert_eq!(discover(&clone), Ok((clone.canonicalize().unwrap(), url, "main".to_owned())));
}

#[test]
fn says_what_is_missing() {
    let scratch = Scratch::new();
    let bare = scratch.empty("bare.git");
    assert!(matches!(discover(&bare.folder), Err(CheckoutError::Bare(_))));

    let plain = scratch.path("plain");
    std::fs::create_dir(&plain).unwrap();
    assert!(matches!(discover(&plain), Err(CheckoutError::NotARepository(_))));
    assert!(matches!(discover(&scratch.path("missing")), Err(CheckoutError::NotARepository(_))));

    let work = scratch.work("work", &[("a", "1\n")]);
    assert!(matches!(discover(&work.folder), Err(CheckoutError::NoOrigin(_))));
    work.git(&["remote", "add", "origin", "https://user:hunter2@/"]);
    let fault = discover(&work.folder).unwrap_err();
    assert!(matches!(fault, CheckoutError::Origin { .. }) && !fault.to_string().contains("hunter2"), "{fault}");
    work.git(&["remote", "set-url", "origin", "git@github.com:acme/gitops.git"]);
    work.git(&["checkout", "--quiet", "--detach"]);
    let detached = discover(&work.folder).unwrap_err();
    assert!(detached.to_string().contains("--branch"), "{detached}");
    assert_eq!(Checkout::discover_origin(&work.folder).unwrap().1.to_string(), "git@github.com:acme/gitops.git");

    let unborn = scratch.work("unborn", &[]);
    unborn.git(&["remote", "add", "origin", "git@github.com:acme/gitops.git"]);
    assert!(matches!(discover(&unborn.folder), Err(CheckoutError::Unborn { branch, .. }) if branch == "main"));

    std::fs::write(work.folder.join(".git/config"), "[core\n").unwrap();
    assert!(matches!(discover(&work.folder), Err(CheckoutError::Unreadable { .. })));
}
