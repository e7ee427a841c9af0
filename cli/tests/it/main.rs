//! What the command does for its users, and what keeps the workspace in shape.

mod bench;
mod command_line;
mod layout;
mod schemas;
mod support;
