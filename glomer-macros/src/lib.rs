//! The `#[handler]` and `#[every]` attributes of Glomer.

mod expansion;

use proc_macro::TokenStream;

/// Makes a function the handler of a type of message.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expansion::handler(arguments.into(), item.into()).into()
}

/// Runs a function periodically.
#[proc_macro_attribute]
pub fn every(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expansion::every(arguments.into(), item.into()).into()
}
