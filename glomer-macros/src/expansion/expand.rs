//! From the model to code.
//!
//! What the code calls lives in `glomer_runtime::__private`, so that a person can read the page
//! that `cargo expand` shows. Types that must fulfil a bound stand there as the user wrote them,
//! each in one place, so that a complaint points at the user's own type, once.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Type, Visibility};

use super::model::{Body, Callee, Every, Field, Handler, Message, Output, Parameter};
use super::types;

/// The longest list of fields that the runtime reads and writes without serde's derives.
const MOST_FIELDS: usize = 12;

/// The items beside a handler. Only a handler without mistakes is registered.
pub(crate) fn handler(handler: &Handler, register: bool) -> TokenStream {
    let Some(message) = &handler.message else {
        return TokenStream::new();
    };
    let Callee { gates, allow, .. } = &handler.callee;
    let runtime = &handler.runtime;
    let message_struct = message_struct(handler, message);
    let (public, hidden) = if message.is_hidden {
        (None, Some(message_struct))
    } else {
        (Some(quote!(#(#gates)* #message_struct)), None)
    };
    let message_impl = message_impl(handler, message);
    let serde_impls = serde_impls(message);
    let (handler_const, submit) = if register {
        let checks = [state_check(&handler.callee), alias_check(&handler.output)];
        let checks = checks.iter().flatten();
        (
            handler_const(handler, message),
            quote!(__private::submit!(__private::Registration::handler(HANDLER) #(#checks)*);),
        )
    } else {
        (TokenStream::new(), TokenStream::new())
    };
    quote! {
        #public
        #(#gates)*
        #allow
        const _: () = {
            use #runtime::__private;
            #hidden
            #message_impl
            #handler_const
            #serde_impls
            #submit
        };
    }
}

/// Has the compiler check that a state is no type of the runtime's own under another name.
fn state_check(callee: &Callee) -> Option<TokenStream> {
    let ty = callee.state.as_ref()?;
    Some(quote!(.check(__private::as_state!(#ty))))
}

/// Has the compiler check that a reply is no `Result` under another name.
fn alias_check(output: &Output) -> Option<TokenStream> {
    match output {
        Output::Value(ty @ Type::Path(_)) => Some(quote!(.check(__private::as_reply!(#ty)))),
        _ => None,
    }
}

/// The items beside a periodic function.
pub(crate) fn every(every: &Every) -> TokenStream {
    let Every { runtime, .. } = every;
    let Callee {
        gates, allow, name, ..
    } = &every.callee;
    let state = state_type(&every.callee);
    let name = name.unraw().to_string();
    let period = period(every.period);
    let (method, call) = call(&every.callee);
    let [tick, state_local, context_local] = locals(&every.callee);
    let check = state_check(&every.callee);
    quote! {
        #(#gates)*
        #allow
        const _: () = {
            use #runtime::__private;
            const EVERY: &__private::Every<#state> = &__private::Every {
                name: #name,
                location: __private::Location::here(),
                period: #period,
                run: |#tick| #tick.#method(|#state_local, #context_local| #call),
            };
            __private::submit!(__private::Registration::every(EVERY) #check);
        };
    }
}

/// The type of the node's state: `()` for a function that does not take it.
fn state_type(callee: &Callee) -> TokenStream {
    match &callee.state {
        Some(ty) => quote!(#ty),
        None => quote!(()),
    }
}

fn period(period: Duration) -> TokenStream {
    let micros = period.as_micros() as u64;
    let (unit, count) = match (micros % 1_000_000, micros % 1_000) {
        (0, _) => ("from_secs", micros / 1_000_000),
        (_, 0) => ("from_millis", micros / 1_000),
        _ => ("from_micros", micros),
    };
    let unit = Ident::new(unit, Span::call_site());
    let count = proc_macro2::Literal::u64_unsuffixed(count);
    quote!(__private::Duration::#unit(#count))
}

fn message_struct(handler: &Handler, message: &Message) -> TokenStream {
    let Handler {
        runtime, wire_type, ..
    } = handler;
    let Message {
        name, vis, body, ..
    } = message;
    let docs = documentation(&message.docs, vis, || {
        format!(" The message `{wire_type}`.")
    });
    match body {
        Body::Fields(fields) => {
            let derives = if uses_derives(fields) {
                let path = types::show(quote!(#runtime::__private::serde));
                quote! {
                    #[derive(
                        Clone,
                        Debug,
                        #runtime::__private::serde::Serialize,
                        #runtime::__private::serde::Deserialize
                    )]
                    #[serde(crate = #path)]
                }
            } else {
                quote!(#[derive(Clone, Debug)])
            };
            let fields = fields.iter().map(|field| {
                let Field {
                    name, ty, serde, ..
                } = field;
                let docs = documentation(&field.docs, vis, || {
                    format!(" The field `{}`.", name.unraw())
                });
                quote!(#(#docs)* #(#serde)* #vis #name: #ty)
            });
            quote! {
                #(#docs)*
                #derives
                #vis struct #name { #(#fields),* }
            }
        }
        Body::Whole(ty) => quote! {
            #(#docs)*
            #[derive(Clone, Debug)]
            #vis struct #name<Body = #ty>(#vis Body);
        },
    }
}

/// The user's documentation, or else, for what other crates see, the least there is to say.
fn documentation(
    written: &[Attribute],
    vis: &Visibility,
    otherwise: impl FnOnce() -> String,
) -> Vec<Attribute> {
    if written.is_empty() && matches!(vis, Visibility::Public(_)) {
        let text = otherwise();
        return vec![syn::parse_quote!(#[doc = #text])];
    }
    written.to_vec()
}

fn message_impl(handler: &Handler, message: &Message) -> TokenStream {
    let wire_type = &handler.wire_type;
    let reply_field = handler.reply_field.as_ref().map(|field| {
        quote! {
            const REPLY_FIELD: __private::Option<&'static str> = __private::Some(#field);
        }
    });
    let reply = match &handler.output {
        Output::Value(ty) | Output::Result(ty, _) => quote!(#ty),
        Output::Alias(ty) => quote!(<#ty as __private::Outcome>::Reply),
    };
    let name = &message.name;
    let (generics, message) = match &message.body {
        Body::Fields(_) => (TokenStream::new(), quote!(#name)),
        // To be sent, a body only has to look like what the handler reads.
        Body::Whole(_) => (quote!(<Body>), quote!(#name<Body>)),
    };
    quote! {
        impl #generics __private::Message for #message {
            const TYPE: &'static str = #wire_type;
            #reply_field
            type Reply = #reply;
        }
    }
}

fn handler_const(handler: &Handler, message: &Message) -> TokenStream {
    let Handler {
        callee, wire_type, ..
    } = handler;
    let state = state_type(callee);
    let name = callee.name.unraw().to_string();
    let message_name = &message.name;
    let message_type = match &message.body {
        Body::Fields(_) => quote!(#message_name),
        // What it lacks is what the type of the body lacks.
        Body::Whole(ty) => placed_at(ty, quote!(#message_name<#ty>)),
    };
    let types = match &handler.output {
        Output::Value(reply) => quote!(reply::<#message_type, #reply>),
        Output::Result(reply, error) => quote!(result::<#message_type, #reply, #error>),
        Output::Alias(ty) => {
            let [reply, error] = [quote!(Reply), quote!(Error)]
                .map(|part| placed_at(ty, quote!(<#ty as __private::Outcome>::#part)));
            quote!(result::<#message_type, #reply, #error>)
        }
    };
    let (method, call) = call(callee);
    let [call_local, state_local, context_local] = locals(callee);
    let takes_message = callee
        .parameters
        .iter()
        .any(|parameter| matches!(parameter, Parameter::Field(_) | Parameter::Body));
    let message_local = local(takes_message, "message");
    quote! {
        const HANDLER: &__private::Handler<#state> = &__private::Handler {
            message: #wire_type,
            name: #name,
            location: __private::Location::here(),
            run: |#call_local| #call_local.#types().#method(
                |#state_local, #context_local, #message_local| #call
            ),
        };
    }
}

/// How the runtime runs the user's function, and its call with the names of `locals`.
fn call(callee: &Callee) -> (TokenStream, TokenStream) {
    let name = &callee.name;
    let lend = callee.is_async.then(|| quote!(&));
    let arguments = callee.parameters.iter().map(|parameter| {
        let local = |name| local(true, name);
        match parameter {
            Parameter::State => {
                let state = local("state");
                quote!(#lend #state)
            }
            Parameter::Context => {
                let context = local("cx");
                quote!(#lend #context)
            }
            Parameter::Field(field) => {
                let message = local("message");
                quote!(#message.#field)
            }
            Parameter::Body => {
                let message = local("message");
                quote!(__private::Body(#message.0))
            }
        }
    });
    let call = quote!(#name(#(#arguments),*));
    if callee.is_async {
        (quote!(wait), quote!(async move { #call.await }))
    } else {
        (quote!(sync), call)
    }
}

/// What the runtime passes, the call itself, the state and the context, as local variables.
fn locals(callee: &Callee) -> [TokenStream; 3] {
    let takes = |wanted: fn(&Parameter) -> bool| callee.parameters.iter().any(wanted);
    [
        local(true, "call"),
        local(takes(|it| matches!(it, Parameter::State)), "state"),
        local(takes(|it| matches!(it, Parameter::Context)), "cx"),
    ]
}

/// A local variable that the user's names cannot clash with, or `_`.
fn local(used: bool, name: &str) -> TokenStream {
    if used {
        Ident::new(name, Span::mixed_site()).into_token_stream()
    } else {
        quote!(_)
    }
}

fn uses_derives(fields: &[Field]) -> bool {
    fields.len() > MOST_FIELDS || fields.iter().any(|field| !field.serde.is_empty())
}

fn serde_impls(message: &Message) -> TokenStream {
    let name = &message.name;
    match &message.body {
        Body::Fields(fields) if uses_derives(fields) => TokenStream::new(),
        Body::Fields(fields) => {
            let wire_names: Vec<String> = fields
                .iter()
                .map(|field| field.name.unraw().to_string())
                .collect();
            let names: Vec<&Ident> = fields.iter().map(|field| &field.name).collect();
            let types = fields.iter().map(|field| &field.ty);
            let (types, tuple) = match names[..] {
                [] => (TokenStream::new(), quote!(())),
                _ => (quote!(::<#(#types,)* _>), quote!((#(#names,)*))),
            };
            quote! {
                impl __private::Serialize for #name {
                    fn serialize<Serializer: __private::Serializer>(
                        &self,
                        output: Serializer,
                    ) -> __private::Result<Serializer::Ok, Serializer::Error> {
                        __private::Fields(&[#(#wire_names),*])
                            .write #types (output, #(&self.#names),*)
                    }
                }
                impl<'de> __private::Deserialize<'de> for #name {
                    fn deserialize<Deserializer: __private::Deserializer<'de>>(
                        input: Deserializer,
                    ) -> __private::Result<Self, Deserializer::Error> {
                        __private::Fields(&[#(#wire_names),*])
                            .read #types (input)
                            .map(|#tuple| #name { #(#names),* })
                    }
                }
            }
        }
        Body::Whole(_) => quote! {
            impl<Body: __private::Serialize> __private::Serialize for #name<Body> {
                fn serialize<Serializer: __private::Serializer>(
                    &self,
                    output: Serializer,
                ) -> __private::Result<Serializer::Ok, Serializer::Error> {
                    self.0.serialize(output)
                }
            }
            impl<'de, Body: __private::ReadBody<'de>> __private::Deserialize<'de> for #name<Body> {
                fn deserialize<Deserializer: __private::Deserializer<'de>>(
                    input: Deserializer,
                ) -> __private::Result<Self, Deserializer::Error> {
                    Body::deserialize(input).map(#name)
                }
            }
        },
    }
}

/// The tokens, placed so that the compiler takes them to stand where `place` stands.
///
/// It takes an expression or a type to reach from its first token to its last.
fn placed_at(place: &Type, tokens: TokenStream) -> TokenStream {
    let spans: Vec<Span> = place
        .to_token_stream()
        .into_iter()
        .map(|token| token.span())
        .collect();
    let mut tokens: Vec<TokenTree> = tokens.into_iter().collect();
    if let ([first, ..], [.., last]) = (&mut tokens[..], &spans[..]) {
        first.set_span(spans[0]);
        tokens.last_mut().expect("there is a first").set_span(*last);
    }
    tokens.into_iter().collect()
}
