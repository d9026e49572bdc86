//! What the types of a handler's signature are, whatever they are called.
//!
//! An attribute sees how a type is spelled. What it takes for a state or a reply may be a type of
//! the runtime's own under another name, and the compiler is asked whether it is.

use std::marker::PhantomData;

use crate::{Body, Context, Shared};

/// A type of a signature, to be asked what its spelling does not tell.
///
/// What a type cannot be is a constant of its own; where there is none, the one of [`AnyType`]
/// has its place.
#[derive(Debug)]
pub struct Type<T>(PhantomData<T>);

/// What there is to say about most types: nothing.
pub trait AnyType {
    /// Why it is not the state of a node.
    const AS_STATE: Option<&'static str> = None;
    /// Why it is not a reply.
    const AS_REPLY: Option<&'static str> = None;
}

impl<T> AnyType for Type<T> {}

impl Type<Context> {
    /// It is the context.
    pub const AS_STATE: Option<&'static str> = Some(
        "this is `Context` under another name, and would be taken for the state of a node: write \
         `&Context`",
    );
}

impl<S> Type<Shared<S>> {
    /// It lends the state.
    pub const AS_STATE: Option<&'static str> = Some(
        "this is `Shared` under another name, and no other handler runs while a plain `fn` does: \
         take `&mut` and the state itself, or make this an `async fn`",
    );
}

impl<T> Type<Body<T>> {
    /// It is the body of a message.
    pub const AS_STATE: Option<&'static str> = Some(
        "this is the body of a message, and would be taken for the state of a node: take it by \
         value, `Body(body): Body<…>`",
    );
}

impl<T, E> Type<Result<T, E>> {
    /// It is a reply or an error.
    pub const AS_REPLY: Option<&'static str> = Some(
        "this is `Result` under another name, and its `Err` would be sent as a reply: write \
         `Result<_, _>`, or call the alias `Result`",
    );
}

/// What speaks against a type as the state of a node.
#[doc(hidden)]
#[macro_export]
macro_rules! __as_state {
    ($ty:ty) => {{
        #[allow(unused_imports)]
        use $crate::__private::AnyType as _;
        $crate::__private::Type::<$ty>::AS_STATE
    }};
}

/// What speaks against a type as a reply.
#[doc(hidden)]
#[macro_export]
macro_rules! __as_reply {
    ($ty:ty) => {{
        #[allow(unused_imports)]
        use $crate::__private::AnyType as _;
        $crate::__private::Type::<$ty>::AS_REPLY
    }};
}
