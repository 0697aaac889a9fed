//! The cache: what it keeps, and that nothing that happens to its file fails a pass.

mod rows;
