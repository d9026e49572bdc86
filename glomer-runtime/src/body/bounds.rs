//! What types must be able to do to stand in a handler's signature, with what to say if they
//! cannot.
//!
//! Each trait is implemented for all types that fulfil its bound; only its name in the errors of
//! the compiler is of use.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::Error;

/// The type of a field, as it is read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a message",
    label = "a field of a message implements `serde::Deserialize`",
    note = "add `#[derive(serde::Deserialize)]` to the type, or take a type that has it"
)]
pub trait ReadField: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> ReadField for T {}

/// The type of a field, as it is sent.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent in a message",
    label = "a field of a message implements `serde::Serialize`",
    note = "add `#[derive(serde::Serialize)]` to the type, or take a type that has it; \
            a handler that never sends its message can take `Body(body): Body<T>`, where `T` has \
            only `Deserialize`"
)]
pub trait SendField: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> SendField for T {}

/// The `T` of a `Body<T>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a message",
    label = "the type of a body implements `serde::Deserialize`",
    note = "add `#[derive(serde::Deserialize)]` to the type, or take a type that has it"
)]
pub trait ReadBody<'de>: Deserialize<'de> {}

#[diagnostic::do_not_recommend]
impl<'de, T: Deserialize<'de>> ReadBody<'de> for T {}

/// What a handler replies.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as a reply",
    label = "a reply implements `serde::Serialize`",
    note = "add `#[derive(serde::Serialize)]` to the type, or return a type that has it; \
            if it is a `Result`, write `Result<_, _>`, so that its `Err` is sent as an error"
)]
pub trait Reply: Serialize + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + 'static> Reply for T {}

/// What an rpc is answered with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from an answer",
    label = "the reply to an rpc implements `serde::Deserialize`",
    note = "add `#[derive(serde::Deserialize)]` to what the handler returns"
)]
pub trait ReadReply: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> ReadReply for T {}

/// What a handler fails with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as an error",
    label = "the error of a handler implements `Into<glomer_runtime::Error>`",
    note = "return `Result<_, Error>`, and choose a code where it fails, such as \
            `Err(Error::precondition_failed(text))` or `.map_err(Error::abort)?`; \
            or return an error type of your own, and choose the code in `impl From<…> for Error`"
)]
pub trait Failure: Into<Error> + 'static {}

#[diagnostic::do_not_recommend]
impl<E: Into<Error> + 'static> Failure for E {}

/// A `Result` under any name.
pub trait Outcome {
    /// The `T`.
    type Reply;
    /// The `E`.
    type Error;
}

impl<T, E> Outcome for Result<T, E> {
    type Reply = T;
    type Error = E;
}
