//! The `#[handler]` and `#[every]` attributes of Glomer.
