//! What keeps the workspace in shape.

mod layout;
