//! What a type's spelling tells, which is all that an attribute sees of a type.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{GenericArgument, Ident, PathArguments, Type};

/// The type without parentheses and invisible groups around it.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => bare(&inner.elem),
        Type::Group(inner) => bare(&inner.elem),
        _ => ty,
    }
}

/// The name and type arguments of a path type: `io::Result<u64>` is `Result` and `[u64]`.
pub(crate) fn named(ty: &Type) -> Option<(&Ident, Vec<&Type>)> {
    let Type::Path(path) = bare(ty) else {
        return None;
    };
    let last = path.path.segments.last()?;
    let arguments = match &last.arguments {
        PathArguments::AngleBracketed(list) => list
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    Some((&last.ident, arguments))
}

/// The one type argument of a path type with the given name: `T` of `Body<T>`.
pub(crate) fn argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    match named(ty) {
        Some((ident, arguments)) if ident == name => match arguments[..] {
            [argument] => Some(argument),
            _ => None,
        },
        _ => None,
    }
}

/// Whether this is the path type with the given name and no arguments.
pub(crate) fn is(ty: &Type, name: &str) -> bool {
    named(ty).is_some_and(|(ident, arguments)| ident == name && arguments.is_empty())
}

/// Whether this is `()`.
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(bare(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// Whether the type borrows: it has a reference or a lifetime other than `'static` in it.
pub(crate) fn borrows(ty: &Type) -> bool {
    fn in_tokens(tokens: TokenStream) -> bool {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        tokens.iter().enumerate().any(|(at, token)| match token {
            TokenTree::Group(group) => in_tokens(group.stream()),
            TokenTree::Punct(punct) if punct.as_char() == '&' => true,
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                !matches!(tokens.get(at + 1), Some(TokenTree::Ident(name)) if name == "static")
            }
            _ => false,
        })
    }
    in_tokens(ty.to_token_stream())
}

/// The owned type to take instead of a reference: `String` for `&str`. `None` where only the
/// user can tell.
pub(crate) fn owned(ty: &Type) -> Option<Type> {
    let Type::Reference(reference) = bare(ty) else {
        return None;
    };
    let owned = match bare(&reference.elem) {
        ty if is(ty, "str") => quote!(String),
        ty if is(ty, "Path") => quote!(PathBuf),
        Type::Slice(slice) => {
            let elem = &slice.elem;
            quote!(Vec<#elem>)
        }
        ty if borrows(ty) => return None,
        ty => quote!(#ty),
    };
    syn::parse2(owned).ok()
}

/// Whether values of this type are certainly not a map of fields once they are JSON.
///
/// `false` for what a spelling cannot tell; the runtime looks at the value itself.
pub(crate) fn is_not_a_map(ty: &Type) -> bool {
    const SCALARS: &[&str] = &[
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16",
        "u32", "u64", "u128", "usize", "str", "String", "PathBuf",
    ];
    const SEQUENCES: &[&str] = &[
        "Vec",
        "VecDeque",
        "LinkedList",
        "BTreeSet",
        "HashSet",
        "BinaryHeap",
        "Option",
    ];
    const POINTERS: &[&str] = &["Arc", "Box", "Rc"];
    match bare(ty) {
        Type::Array(_) | Type::Slice(_) => true,
        Type::Tuple(tuple) => !tuple.elems.is_empty(),
        Type::Reference(reference) => is_not_a_map(&reference.elem),
        ty => named(ty).is_some_and(|(name, arguments)| match arguments[..] {
            [] => SCALARS.iter().any(|scalar| name == scalar),
            [first, ..] => {
                SEQUENCES.iter().any(|sequence| name == sequence)
                    || POINTERS.iter().any(|pointer| name == pointer) && is_not_a_map(first)
            }
        }),
    }
}

/// Tokens as a user would write them, for messages.
pub(crate) fn show(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    for token in tokens.to_token_stream() {
        let word = match &token {
            TokenTree::Group(group) => {
                let inside = show(group.stream());
                match group.delimiter() {
                    Delimiter::Parenthesis => format!("({inside})"),
                    Delimiter::Bracket => format!("[{inside}]"),
                    Delimiter::Brace => format!("{{ {inside} }}"),
                    Delimiter::None => inside,
                }
            }
            token => token.to_string(),
        };
        let joins = |c: char| c.is_alphanumeric() || c == '_';
        if text.ends_with([',', ';', '+'])
            || text.ends_with(joins) && word.starts_with(|c| joins(c) || c == '+')
        {
            text.push(' ');
        }
        text.push_str(&word);
    }
    text
}
