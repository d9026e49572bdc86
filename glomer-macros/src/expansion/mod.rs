//! The attributes as plain functions from tokens to tokens.
//!
//! `parse` splits the tokens, `options`, `parameters` and `output` check them against the rules of
//! a handler and make the `model` of them, and `expand` writes the model down as code. A mistake
//! does not end the work: all mistakes are reported together, and the function stays, and so does
//! the message struct wherever possible, so that one mistake does not cause others elsewhere.

mod duration;
mod errors;
mod expand;
mod model;
mod options;
mod output;
mod parameters;
mod parse;
mod types;

use proc_macro2::TokenStream;
use quote::quote;

use errors::Errors;
use parse::Function;

/// Which attribute.
#[derive(Clone, Copy, PartialEq)]
enum Attribute {
    Handler,
    Every,
}

/// Expands `#[handler(arguments)] item`.
pub(crate) fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(Attribute::Handler, item, |function, errors| {
        let options = options::handler(arguments, &function.sig.ident, errors);
        let parameters = parameters::read(Attribute::Handler, function, errors);
        let output = output::read(&function.sig.output, &options, errors);
        let name = options::message_name(&options, function, errors);
        let handler = model::Handler {
            runtime: options.runtime,
            message: name
                .zip(parameters.body)
                .map(|(name, body)| model::Message {
                    is_hidden: name == options::HIDDEN,
                    name,
                    docs: function.attributes("doc"),
                    vis: function.vis.clone(),
                    body,
                }),
            callee: parameters.callee,
            wire_type: options.wire_type,
            reply_field: options.reply.map(|field| field.value()),
            output,
        };
        expand::handler(&handler, errors.is_empty())
    })
}

/// Expands `#[every(arguments)] item`.
pub(crate) fn every(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(Attribute::Every, item, |function, errors| {
        let (period, runtime) = options::every(arguments, errors);
        let callee = parameters::read(Attribute::Every, function, errors).callee;
        output::refuse(&function.sig.output, errors);
        match period {
            Some(period) if errors.is_empty() => expand::every(&model::Every {
                runtime,
                callee,
                period,
            }),
            _ => TokenStream::new(),
        }
    })
}

fn expand(
    attribute: Attribute,
    item: TokenStream,
    items: impl FnOnce(&mut Function, &mut Errors) -> TokenStream,
) -> TokenStream {
    let mut errors = Errors::default();
    let (function, items) = match parse::function(attribute, item.clone(), &mut errors) {
        Some(mut function) => {
            let items = items(&mut function, &mut errors);
            (quote!(#function), items)
        }
        None => (item, TokenStream::new()),
    };
    let errors = errors.into_tokens();
    quote!(#function #items #errors)
}
