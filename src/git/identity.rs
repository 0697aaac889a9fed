//! Who a person is to Git: `user.name`, as their own configuration says it.
//!
//! Entry point: [`user_name`]. Starts no program, and follows no `include`.

use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice as _;

use crate::git::checkout;

/// Returns `user.name` of a checkout, else of the first of some configuration files that has one.
pub fn user_name(folder: Option<&Path>, files: &[PathBuf]) -> Option<String> {
    let repository = folder.and_then(|folder| checkout::discover(folder).ok());
    let own = repository.and_then(|repository| repository.config_snapshot().string("user.name"));
    let of_file = |path: &PathBuf| {
        let file = gix::config::File::from_path_no_includes(path.clone(), gix::config::Source::User).ok()?;
        file.string("user.name")
    };
    let name = own.or_else(|| files.iter().find_map(of_file))?;
    let name: String = name.to_str_lossy().chars().filter(|letter| !letter.is_control()).collect();
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
