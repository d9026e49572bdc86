//! From tokens to syntax: the arguments of an attribute and the function under it.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt};
use syn::parse::{Parse, ParseStream};
use syn::{GenericParam, Safety, Signature, Token, Visibility};

use super::Attribute;
use super::errors::Errors;

/// What stands between the parentheses of an attribute.
///
/// Any tokens split into such parts; whether they make sense is for `options` to say, part by
/// part, so that one mistake does not hide the next.
pub(crate) struct Arguments {
    /// The parts without a name, in order.
    pub(crate) positional: Vec<TokenStream>,
    /// The parts of the form `name = value`, in order.
    pub(crate) named: Vec<(Ident, TokenStream)>,
}

impl Arguments {
    pub(crate) fn split(tokens: TokenStream) -> Self {
        let mut arguments = Arguments {
            positional: Vec::new(),
            named: Vec::new(),
        };
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for part in tokens.split(|token| is_punct(token, ',')) {
            match part {
                [] => {}
                [TokenTree::Ident(name), equals, value @ ..] if is_punct(equals, '=') => {
                    let value = value.iter().cloned().collect();
                    arguments.named.push((name.clone(), value));
                }
                _ => arguments.positional.push(part.iter().cloned().collect()),
            }
        }
        arguments
    }
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

/// A function, its body left as the tokens that it is.
pub(crate) struct Function {
    pub(crate) attrs: Vec<syn::Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Group,
}

impl Function {
    /// The attributes with this name.
    pub(crate) fn attributes(&self, name: &str) -> Vec<syn::Attribute> {
        self.attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident(name))
            .cloned()
            .collect()
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (attrs, vis, sig) = (
            input.call(syn::Attribute::parse_outer)?,
            input.parse()?,
            input.parse()?,
        );
        if input.peek(Token![;]) {
            return Err(input.error("the runtime calls this function: give it a body"));
        }
        Ok(Function {
            attrs,
            vis,
            sig,
            body: input.parse()?,
        })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

/// Reads the function under an attribute, and says what cannot be called as a plain function.
pub(crate) fn function(
    attribute: Attribute,
    item: TokenStream,
    errors: &mut Errors,
) -> Option<Function> {
    if let Some(keyword) = not_a_function(&item) {
        errors.at(
            keyword,
            match attribute {
                Attribute::Handler => {
                    "`#[handler]` goes on a function, such as \
                     `fn broadcast(state: &mut State, message: u64)`"
                }
                Attribute::Every => {
                    "`#[every]` goes on a function, such as \
                     `fn gossip(state: &mut State, cx: &Context)`"
                }
            },
        );
        return None;
    }
    let mut function: Function = syn::parse2(item).map_err(|error| errors.push(error)).ok()?;
    for again in function
        .attrs
        .extract_if(.., |attribute| is_ours(attribute))
    {
        errors.at(
            again,
            "this function is run for one purpose already, and one is all it has: write a \
             function of its own for this, which may call the other",
        );
    }
    let sig = &function.sig;
    if !matches!(sig.safety, Safety::Default) {
        errors.at(
            &sig.safety,
            "the runtime only calls safe functions: remove this word, and put what is unsafe into \
             a block inside",
        );
    }
    if let Some(abi) = &sig.abi {
        errors.at(
            abi,
            "the runtime calls this as a plain Rust function: remove this",
        );
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(
            variadic,
            "a message has named fields: write a parameter for each of them",
        );
    }
    for parameter in &sig.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            errors.at(
                parameter,
                "the runtime has to know every type when it calls this function: remove this \
                 parameter, and write the type that you need in its place",
            );
        }
    }
    Some(function)
}

/// Whether this is one of the attributes of this crate, as far as its name tells.
fn is_ours(attribute: &syn::Attribute) -> bool {
    let names: Vec<String> = attribute
        .path()
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect();
    match &names[..] {
        [name] => ["handler", "every"].contains(&&**name),
        [runtime, name] => runtime == "glomer_runtime" && ["handler", "every"].contains(&&**name),
        _ => false,
    }
}

/// The token by which an item that is not a function shows what it is, such as `struct`.
///
/// `None` for what is at least meant as a function.
fn not_a_function(item: &TokenStream) -> Option<TokenTree> {
    let head: Vec<TokenTree> = item
        .clone()
        .into_iter()
        .take_while(|token| [':', '=', ';'].iter().all(|end| !is_punct(token, *end)))
        .collect();
    let is_ident = |token: &TokenTree, wanted: &str| matches!(token, TokenTree::Ident(ident) if ident == wanted);
    if head.iter().any(|token| is_ident(token, "fn")) {
        return None;
    }
    head.into_iter().find(|token| {
        matches!(token, TokenTree::Ident(_))
            && !is_ident(token, "pub")
            && !is_ident(token, "unsafe")
    })
}
