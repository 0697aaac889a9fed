//! Tests against real servers; `tests/run` installs them.
