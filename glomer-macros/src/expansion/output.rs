//! The return type of a function, which is the reply.

use syn::{ReturnType, Type};

use super::errors::Errors;
use super::model::Output;
use super::options::Options;
use super::types::{self, show};

/// Reads what a handler returns. What cannot be a reply becomes `()`.
pub(crate) fn read(output: &ReturnType, options: &Options, errors: &mut Errors) -> Output {
    let unit: Type = syn::parse_quote!(());
    let ty = match output {
        ReturnType::Default => &unit,
        ReturnType::Type(_, ty) => types::bare(ty),
    };
    let (reply, output) = match types::named(ty) {
        Some((name, arguments)) if name == "Result" => match arguments[..] {
            [reply, error] => (
                reply,
                Output::Result(reply.clone(), Box::new(error.clone())),
            ),
            [reply] => (reply, Output::Alias(ty.clone())),
            _ => (ty, Output::Value(ty.clone())),
        },
        _ => (ty, Output::Value(ty.clone())),
    };
    if check(ty, types::bare(reply), options, errors) {
        output
    } else {
        Output::Value(unit)
    }
}

/// `false` if this cannot be named as the type of a reply.
fn check(ty: &Type, reply: &Type, options: &Options, errors: &mut Errors) -> bool {
    match reply {
        Type::ImplTrait(_) => {
            errors.at(
                reply,
                "whoever asks has to know the type of the reply: name the type that you return",
            );
            return false;
        }
        Type::Never(_) => {
            errors.at(
                reply,
                "a handler returns to its node: return `()` for a reply without fields",
            );
            return false;
        }
        _ if types::borrows(ty) => {
            let instead = match types::owned(reply) {
                Some(owned) => format!("return `{}`", show(owned)),
                None => "return an owned type".to_owned(),
            };
            errors.at(
                if types::borrows(reply) { reply } else { ty },
                format!("a reply is kept until it is sent, so it cannot borrow: {instead}"),
            );
            return false;
        }
        _ => {}
    }
    match &options.reply {
        Some(field) if types::is_unit(reply) => errors.at(
            field,
            "this names the field for a value, but the function returns none: return a value, or \
             remove `reply`",
        ),
        None if types::is_not_a_map(reply) => errors.at(
            reply,
            format!(
                "a reply is a map of fields, and `{}` is none: name the field for it, \
                 `#[handler(\"{}\", reply = \"value\")]`",
                show(reply),
                options.wire_type
            ),
        ),
        _ => {}
    }
    true
}

/// Complains if a periodic function returns anything.
pub(crate) fn refuse(output: &ReturnType, errors: &mut Errors) {
    if let ReturnType::Type(_, ty) = output
        && !types::is_unit(ty)
    {
        errors.at(
            ty,
            "`#[every]` runs without a message, so there is nobody to reply to: return nothing",
        );
    }
}
