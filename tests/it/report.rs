//! Reports: the contract of the JSON, the look of the text, and both under hostile input.

mod exit;
mod folded;
mod json;
// The attribute changes nothing but the lints: `unwrap` is for tests, and this module holds no test itself.
#[cfg(test)]
mod made;
mod properties;
mod text;
mod watched;
