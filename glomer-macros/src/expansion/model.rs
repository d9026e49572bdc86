//! What the attributes mean: the user's function, the message that it handles, and when it runs.

use std::time::Duration;

use proc_macro2::{Ident, TokenStream};
use syn::{Attribute, Type, Visibility};

/// What `#[handler]` stands on.
pub(crate) struct Handler {
    /// The path of the runtime.
    pub(crate) runtime: TokenStream,
    pub(crate) callee: Callee,
    /// The `type` of the messages that it answers.
    pub(crate) wire_type: String,
    /// `None` if a mistake leaves open what the struct would be.
    pub(crate) message: Option<Message>,
    /// The field that carries the reply, from `reply = "…"`.
    pub(crate) reply_field: Option<String>,
    pub(crate) output: Output,
}

/// What `#[every]` stands on.
pub(crate) struct Every {
    /// The path of the runtime.
    pub(crate) runtime: TokenStream,
    pub(crate) callee: Callee,
    pub(crate) period: Duration,
}

/// The user's function, as something to call.
pub(crate) struct Callee {
    pub(crate) name: Ident,
    /// `#[cfg]`s, which every generated item needs too.
    pub(crate) gates: Vec<Attribute>,
    /// `#[allow(deprecated)]` for a function that is: the runtime calls it all the same.
    pub(crate) allow: Option<Attribute>,
    pub(crate) is_async: bool,
    /// The type of the node's state, if the function takes it.
    pub(crate) state: Option<Type>,
    /// In the user's order.
    pub(crate) parameters: Vec<Parameter>,
}

/// One parameter of the user's function.
pub(crate) enum Parameter {
    State,
    Context,
    /// The field of the message with this name.
    Field(Ident),
    /// The whole body of the message.
    Body,
}

/// The message struct to generate.
pub(crate) struct Message {
    pub(crate) name: Ident,
    /// Whether it is there for the runtime alone: that of `init`, which nodes do not send.
    pub(crate) is_hidden: bool,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) body: Body,
}

/// What a message carries.
pub(crate) enum Body {
    Fields(Vec<Field>),
    /// The `T` of a parameter `Body<T>`.
    Whole(Box<Type>),
}

/// One field of a message.
pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) serde: Vec<Attribute>,
}

/// The shapes of a return type.
pub(crate) enum Output {
    /// The reply itself.
    Value(Type),
    /// `Result<T, E>`.
    Result(Type, Box<Type>),
    /// An alias of `Result` with one argument, such as `io::Result<T>`.
    Alias(Type),
}
