//! What the compiler says to those who break a rule of a handler.
//!
//! Each file of `cases/` breaks one rule in every way there is; the file beside it has the
//! complaint as a user reads it. `TRYBUILD=overwrite cargo test -p glomer-ui` writes them anew:
//! look at each one then.

#[test]
fn every_mistake_is_explained_at_its_place() {
    trybuild::TestCases::new().compile_fail("cases/*.rs");
}
