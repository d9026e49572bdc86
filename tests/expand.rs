//! What the attributes expand to: readable code, kept true by files.
//!
//! `expand/NAME.rs` is what a user writes, `expand/NAME.expanded.rs` what comes of it.
//! `BLESS=1 cargo test -p glomer-tests --test expand` writes the latter anew: look at them then.

// The expansion is made of plain functions, but a crate of attributes cannot export them.
#[path = "../glomer-macros/src/expansion/mod.rs"]
mod expansion;

use std::path::{Path, PathBuf};
use std::{env, fs};

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Item, Meta};

/// Expands every item of a source file that has one of the attributes.
fn expand(source: &str) -> String {
    let file = syn::parse_file(source).expect("the source is Rust");
    let items = file.items.into_iter().map(|item| match item {
        Item::Fn(mut function) => {
            let ours = |attribute: &Attribute| {
                ["handler", "every"]
                    .iter()
                    .any(|name| attribute.path().is_ident(name))
            };
            match function.attrs.iter().position(ours) {
                Some(at) => {
                    let attribute = function.attrs.remove(at);
                    let arguments = match &attribute.meta {
                        Meta::List(list) => list.tokens.clone(),
                        _ => TokenStream::new(),
                    };
                    let item = function.to_token_stream();
                    match attribute.path().is_ident("handler") {
                        true => expansion::handler(arguments, item),
                        false => expansion::every(arguments, item),
                    }
                }
                None => function.to_token_stream(),
            }
        }
        item => item.to_token_stream(),
    });
    let expanded = quote!(#(#items)*);
    prettyplease::unparse(&syn::parse2(expanded).expect("the expansion is Rust"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("expand")
}

/// Compares an expansion with its file, or writes the file.
fn check(name: &str) {
    let source = fs::read_to_string(folder().join(format!("{name}.rs"))).unwrap();
    let expanded = expand(&source);
    let file = folder().join(format!("{name}.expanded.rs"));
    if env::var_os("BLESS").is_some() {
        fs::write(&file, expanded).unwrap();
        return;
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        expanded == expected,
        "the expansion of {name}.rs is not that of {name}.expanded.rs (BLESS=1 writes it):\n{expanded}"
    );
}

#[test]
fn a_handler_becomes_a_message_and_a_registration() {
    check("broadcast");
}
