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
use syn::{Attribute, File, Item, Meta};

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
                    if attribute.path().is_ident("handler") {
                        expansion::handler(arguments, item)
                    } else {
                        expansion::every(arguments, item)
                    }
                }
                None => function.to_token_stream(),
            }
        }
        item => item.to_token_stream(),
    });
    let expanded: File = syn::parse2(quote!(#(#items)*)).expect("the expansion is Rust");
    let items = expanded.items.into_iter().map(|item| {
        prettyplease::unparse(&File {
            shebang: None,
            frontmatter: None,
            attrs: Vec::new(),
            items: vec![item],
        })
    });
    items.collect::<Vec<String>>().join("\n")
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

#[test]
fn every_kind_of_function_becomes_what_it_needs() {
    check("every_kind");
}

#[test]
fn mistakes_leave_the_function_and_its_message() {
    check("mistakes");
}

/// The documentation of the macros shows a handler and, after a marker, what it expands to.
#[test]
fn the_documentation_shows_the_expansion_of_its_handler() {
    const MARKER: &str = "<!-- what `broadcast` expands to; tests/expand.rs keeps it true -->\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../glomer-macros/src/expansion.md");
    let text = fs::read_to_string(file).unwrap();

    let node = code_block(&text, "").expect("it begins with a handler");
    let visible = node.lines().filter(|line| !line.starts_with("# "));
    let node: String = visible.map(|line| format!("{line}\n")).collect();
    let expanded = expand(&node);

    let shown = text
        .split_once(MARKER)
        .and_then(|(_, rest)| code_block(rest, "ignore"));
    assert!(
        shown == Some(&*expanded),
        "paste this into glomer-macros/src/expansion.md:\n\n{MARKER}```ignore\n{expanded}```"
    );
}

/// The first block of this language in a text of Markdown.
fn code_block<'a>(markdown: &'a str, language: &str) -> Option<&'a str> {
    let (_, rest) = markdown.split_once(&format!("```{language}\n"))?;
    let (code, _) = rest.split_once("```")?;
    Some(code)
}
