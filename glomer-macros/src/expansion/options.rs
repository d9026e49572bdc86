//! The arguments of the attributes: the message type, its options, the period.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{FnArg, LitStr, Path, ReturnType};

use super::duration;
use super::errors::Errors;
use super::parse::{Arguments, Function};

/// The fields of a body that the runtime writes and reads by itself.
pub(crate) const HEADER: [&str; 3] = ["type", "msg_id", "in_reply_to"];

/// Types that handlers use, and that a message must not hide.
const TAKEN: [&str; 10] = [
    "Body", "Box", "Context", "Error", "Message", "Option", "Result", "Shared", "String", "Vec",
];

/// The message struct of an `init` hook.
///
/// Nodes do not send `init`, so nobody needs the struct, and `glomer_runtime::Init` keeps its name.
pub(crate) const HIDDEN: &str = "__Init";

/// What stands in `#[handler(…)]`.
pub(crate) struct Options {
    pub(crate) wire_type: String,
    pub(crate) runtime: TokenStream,
    pub(crate) reply: Option<LitStr>,
    message: Option<Ident>,
}

/// Reads the arguments of `#[handler]`.
pub(crate) fn handler(arguments: TokenStream, function: &Ident, errors: &mut Errors) -> Options {
    let arguments = Arguments::split(arguments);
    let example = function.unraw();
    let wire_type = wire_type(&arguments, &example, errors);
    let mut options = Options {
        wire_type: wire_type.unwrap_or_else(|| example.to_string()),
        runtime: quote!(::glomer_runtime),
        reply: None,
        message: None,
    };
    let mut seen: Vec<Ident> = Vec::new();
    for (name, value) in arguments.named {
        if seen.contains(&name) {
            errors.at(&name, format!("`{name}` is given twice: keep one of them"));
        } else if name == "reply" {
            options.reply = reply_field(&name, &value, errors);
        } else if name == "message" {
            options.message = message_option(&name, &value, errors);
        } else if name == "crate" {
            options.runtime = runtime(&name, value, errors);
        } else {
            errors.at(
                &name,
                format!(
                    "`#[handler]` has no option `{name}`: its options are `reply = \"field\"`, \
                     `message = Name` and `crate = path::of::glomer_runtime`"
                ),
            );
        }
        seen.push(name);
    }
    options
}

/// Reads the arguments of `#[every]`: the period, and the path of the runtime.
pub(crate) fn every(
    arguments: TokenStream,
    errors: &mut Errors,
) -> (Option<Duration>, TokenStream) {
    let mut arguments = Arguments::split(arguments);
    let mut path = quote!(::glomer_runtime);
    for (name, value) in std::mem::take(&mut arguments.named) {
        if name == "crate" {
            path = runtime(&name, value, errors);
        } else {
            errors.at(
                &name,
                format!(
                    "`#[every]` has no option `{name}`: it takes a period and, if need be, \
                     `crate = path::of::glomer_runtime`"
                ),
            );
        }
    }
    (period(&arguments, errors), path)
}

fn period(arguments: &Arguments, errors: &mut Errors) -> Option<Duration> {
    let Some((first, more)) = arguments.positional.split_first() else {
        errors.at_span(
            Span::call_site(),
            "`#[every]` needs a period: write `#[every(\"250ms\")]`",
        );
        return None;
    };
    for another in more {
        errors.at(another, "`#[every]` takes one period and nothing else");
    }
    let literal = string(first, errors, || {
        "a period is a string literal: write `#[every(\"250ms\")]`".to_owned()
    })?;
    duration::parse(&literal.value())
        .map_err(|message| errors.at(&literal, message))
        .ok()
}

fn wire_type(arguments: &Arguments, example: &Ident, errors: &mut Errors) -> Option<String> {
    let Some((first, more)) = arguments.positional.split_first() else {
        errors.at_span(
            Span::call_site(),
            format!("a handler names the type of its messages: write `#[handler(\"{example}\")]`"),
        );
        return None;
    };
    for another in more {
        errors.at(
            another,
            "a handler is for one type of message: write a function of its own for another type",
        );
    }
    let literal = string(first, errors, || {
        format!("the type of a message is a string literal: write `#[handler(\"{example}\")]`")
    })?;
    let text = literal.value();
    if text.is_empty() {
        errors.at(
            &literal,
            format!("the type of a message is not empty: write `#[handler(\"{example}\")]`"),
        );
    } else if text == "error" {
        errors.at(
            &literal,
            "`error` is the answer to a request that failed: return `Err` from the handler of the \
             request, and get it as `Err` from `cx.rpc(…).await`",
        );
    } else if let Some(request) = text.strip_suffix("_ok") {
        errors.at(
            &literal,
            format!(
                "`{text}` is the answer to `{request}`: return it from `#[handler(\"{request}\")]`, \
                 and get it from `cx.rpc(…).await`"
            ),
        );
    }
    Some(text)
}

/// Reads a string literal, or says what to write.
fn string(
    tokens: &TokenStream,
    errors: &mut Errors,
    expected: impl FnOnce() -> String,
) -> Option<LitStr> {
    let mut rest = tokens.clone().into_iter();
    let first = rest.next().map(TokenTree::into_token_stream);
    let Some(literal) = first.and_then(|first| syn::parse2::<LitStr>(first).ok()) else {
        errors.at(tokens, expected());
        return None;
    };
    if let Some(next) = rest.next() {
        errors.at(next, "a comma is missing before this");
    }
    Some(literal)
}

fn reply_field(name: &Ident, value: &TokenStream, errors: &mut Errors) -> Option<LitStr> {
    const EXPECTED: &str = "the field of a reply is a string literal: write `reply = \"value\"`";
    if value.is_empty() {
        errors.at(name, EXPECTED);
        return None;
    }
    let literal = string(value, errors, || EXPECTED.to_owned())?;
    let field = literal.value();
    if field.is_empty() {
        errors.at(
            &literal,
            "the field of a reply has a name: write `reply = \"value\"`",
        );
    } else if HEADER.contains(&field.as_str()) {
        errors.at(
            &literal,
            format!("the runtime itself writes `{field}`: name another field"),
        );
    }
    Some(literal)
}

fn message_option(name: &Ident, value: &TokenStream, errors: &mut Errors) -> Option<Ident> {
    const EXPECTED: &str = "the name of a message is an identifier: write `message = Rumor`";
    let ident = syn::parse2(value.clone()).ok();
    if value.is_empty() {
        errors.at(name, EXPECTED);
    } else if ident.is_none() {
        errors.at(value, EXPECTED);
    }
    ident
}

/// The path by which the runtime is found: `crate = glomer`.
fn runtime(name: &Ident, value: TokenStream, errors: &mut Errors) -> TokenStream {
    if syn::parse2::<Path>(value.clone()).is_ok() {
        return value;
    }
    let place = if value.is_empty() {
        name.into_token_stream()
    } else {
        value
    };
    errors.at(
        place,
        "this is the path by which `glomer_runtime` is known here: write `crate = glomer`",
    );
    quote!(::glomer_runtime)
}

/// The name of the message struct: that of the function in CamelCase, unless told otherwise.
pub(crate) fn message_name(
    options: &Options,
    function: &Function,
    errors: &mut Errors,
) -> Option<Ident> {
    let (name, place) = match &options.message {
        Some(message) => (message.to_string(), message),
        None if options.wire_type == "init" => {
            return Some(Ident::new(HIDDEN, Span::call_site()));
        }
        None => {
            let function = &function.sig.ident;
            (camel_case(&function.unraw().to_string()), function)
        }
    };
    let why = if syn::parse_str::<Ident>(&name).is_err() {
        "is no name for a type"
    } else if TAKEN.contains(&name.as_str()) {
        "hides a type that handlers use"
    } else if signature_types(function).any(|types| uses(types, &name)) {
        "is a type that the function itself uses"
    } else {
        return Some(Ident::new(&name, place.span()));
    };
    errors.at(
        place,
        format!(
            "the message struct would be named `{name}`, which {why}: choose another name, \
             `#[handler(\"{}\", message = {name}Message)]`",
            options.wire_type
        ),
    );
    None
}

fn camel_case(snake: &str) -> String {
    let mut camel = String::new();
    for word in snake.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        camel.extend(letters);
    }
    camel
}

fn signature_types(function: &Function) -> impl Iterator<Item = TokenStream> {
    let inputs = function.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(parameter) => Some(parameter.ty.to_token_stream()),
        FnArg::Receiver(_) => None,
    });
    let output = match &function.sig.output {
        ReturnType::Type(_, ty) => Some(ty.to_token_stream()),
        ReturnType::Default => None,
    };
    inputs.chain(output)
}

/// Whether the name stands in the tokens other than at the end of a path.
fn uses(tokens: TokenStream, name: &str) -> bool {
    let mut in_path = false;
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => !std::mem::take(&mut in_path) && ident == name,
        TokenTree::Punct(punct) => {
            in_path = punct.as_char() == ':';
            false
        }
        TokenTree::Group(group) => uses(group.stream(), name),
        TokenTree::Literal(_) => false,
    })
}
