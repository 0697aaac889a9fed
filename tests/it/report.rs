//! Reports: the contract of the JSON, the look of the text, and both under hostile input.

mod exit;
mod json;
mod made;
mod properties;
mod text;
