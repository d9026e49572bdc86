//! The parameters of a function: references are lent by the runtime, values come from the message.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{FnArg, Meta, Pat, PatType, Token, Type};

use super::Attribute;
use super::errors::Errors;
use super::model::{Body, Callee, Field, Parameter};
use super::options::HEADER;
use super::parse::Function;
use super::types::{self, show};

/// What the parameters say.
pub(crate) struct Parameters {
    pub(crate) callee: Callee,
    /// `None` if a mistake leaves open what it would be.
    pub(crate) body: Option<Body>,
}

/// Reads the parameters, moving the attributes that belong to fields out of the function.
pub(crate) fn read(
    attribute: Attribute,
    function: &mut Function,
    errors: &mut Errors,
) -> Parameters {
    let mut reader = Reader {
        attribute,
        is_async: function.sig.asyncness.is_some(),
        state: None,
        context: false,
        whole: None,
        fields: Vec::new(),
        incomplete: false,
        parameters: Vec::new(),
        code: function.body.stream(),
        errors,
    };
    for input in &mut function.sig.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                reader.errors.at(
                    receiver,
                    "a handler is a function of its own, not a method: move it out of the `impl`, \
                     and take the state as `state: &mut State`",
                );
                reader.incomplete = true;
            }
            FnArg::Typed(parameter) => reader.parameter(parameter),
        }
    }
    if !reader.fields.is_empty() || reader.state.is_some() {
        // The advice of these lints would not compile.
        function.attrs.push(syn::parse_quote!(#[allow(
            clippy::needless_pass_by_value,
            clippy::ptr_arg,
            clippy::too_many_arguments
        )]));
    }
    let is_deprecated = !function.attributes("deprecated").is_empty();
    Parameters {
        callee: Callee {
            name: function.sig.ident.clone(),
            gates: function.attributes("cfg"),
            allow: is_deprecated.then(|| syn::parse_quote!(#[allow(deprecated)])),
            is_async: reader.is_async,
            state: reader.state,
            parameters: reader.parameters,
        },
        body: match reader.whole {
            _ if reader.incomplete => None,
            Some(ty) => Some(Body::Whole(Box::new(ty))),
            None => Some(Body::Fields(reader.fields)),
        },
    }
}

struct Reader<'a> {
    attribute: Attribute,
    is_async: bool,
    state: Option<Type>,
    context: bool,
    whole: Option<Type>,
    fields: Vec<Field>,
    /// Whether there is more to the message than could be read.
    incomplete: bool,
    parameters: Vec<Parameter>,
    /// What stands in the function.
    code: TokenStream,
    errors: &'a mut Errors,
}

impl Reader<'_> {
    fn parameter(&mut self, parameter: &mut PatType) {
        let (docs, serde) = self.take_attributes(parameter);
        let ty = types::bare(&parameter.ty);
        let lent = match ty {
            Type::Reference(reference) => Some(types::bare(&reference.elem)),
            _ => None,
        };
        if types::is(lent.unwrap_or(ty), "Context") {
            self.context(parameter);
        } else if let Some(state) = types::argument_of(ty, "Shared") {
            let message = format!(
                "the runtime lends the state: take `&Shared<{}>`",
                show(state)
            );
            self.errors.at(ty, message);
            self.state = Some(state.clone());
            self.parameters.push(Parameter::State);
        } else if let Some(lent) = lent
            && !self.is_borrowed_field(ty, lent)
        {
            self.state(parameter, lent);
        } else if self.parameters.is_empty() && is_state_by_value(parameter) {
            let message = if self.is_async {
                "the runtime lends the state: take `&Shared<State>`; a field of the message that is \
                 called so takes a type with a path, `state: self::State`"
            } else {
                "the runtime lends the state: take `&State` or `&mut State`; a field of the \
                 message that is called so takes a type with a path, `state: self::State`"
            };
            self.errors.at(ty, message);
            self.state = Some(ty.clone());
            self.parameters.push(Parameter::State);
        } else if self.attribute == Attribute::Every {
            self.errors.at(
                &*parameter,
                "`#[every]` runs without a message, so there are no fields to take: its \
                 parameters are the state and `&Context`",
            );
        } else if let Some(whole) = types::argument_of(ty, "Body") {
            self.whole(parameter, whole);
        } else {
            return self.field(parameter, docs, serde);
        }
        for attribute in serde {
            self.errors.at(
                attribute,
                "this parameter is not a field of the message: remove the attribute",
            );
        }
    }

    /// Takes the attributes that belong to the field of the message rather than to the parameter.
    fn take_attributes(
        &mut self,
        parameter: &mut PatType,
    ) -> (Vec<syn::Attribute>, Vec<syn::Attribute>) {
        let (mut docs, mut serde) = (Vec::new(), Vec::new());
        for attribute in std::mem::take(&mut parameter.attrs) {
            let path = attribute.path();
            if path.is_ident("doc") {
                docs.push(attribute);
            } else if path.is_ident("serde") {
                match unknown_to_serde(&attribute) {
                    Some(unknown) => self.errors.at(
                        &unknown,
                        format!(
                            "serde has no field attribute `{}`: those for a parameter are {}",
                            show(&unknown),
                            SERDE.map(|name| format!("`{name}`")).join(", ")
                        ),
                    ),
                    None => serde.push(attribute),
                }
            } else {
                if path.is_ident("cfg") || path.is_ident("cfg_attr") {
                    self.errors.at(
                        &attribute,
                        "a parameter is there always or never: put the condition on a function of \
                         its own",
                    );
                }
                parameter.attrs.push(attribute);
            }
        }
        (docs, serde)
    }

    fn context(&mut self, parameter: &PatType) {
        let ty = types::bare(&parameter.ty);
        if self.context {
            self.errors
                .at(parameter, "there is one context: remove this second one");
        } else if !matches!(ty, Type::Reference(reference) if reference.mutability.is_none()) {
            self.errors
                .at(ty, "the runtime lends the context: take `&Context`");
        }
        self.context = true;
        self.parameters.push(Parameter::Context);
    }

    /// Whether a reference can only be meant as a field.
    fn is_borrowed_field(&self, ty: &Type, lent: &Type) -> bool {
        let mutable = matches!(ty, Type::Reference(reference) if reference.mutability.is_some());
        let unsized_or_text = matches!(lent, Type::Slice(_) | Type::TraitObject(_))
            || types::is(lent, "str")
            || types::is(lent, "Path");
        let fields_began = !self.fields.is_empty();
        unsized_or_text || !mutable && self.state.is_some() && fields_began
    }

    fn state(&mut self, parameter: &PatType, lent: &Type) {
        let ty = types::bare(&parameter.ty);
        let mutable = matches!(ty, Type::Reference(reference) if reference.mutability.is_some());
        let shared = types::argument_of(lent, "Shared");
        let state = shared.unwrap_or(lent);
        let name = show(state);
        let or_a_field = match self.attribute {
            Attribute::Every => String::new(),
            Attribute::Handler => {
                let field = match &*parameter.pat {
                    Pat::Ident(pattern) => pattern.ident.to_string(),
                    _ => "field".to_owned(),
                };
                format!(", or take a field of the message by value, `{field}: {name}`")
            }
        };
        if self.state.is_some() {
            self.errors.at(
                parameter,
                format!(
                    "a node has one state: remove this second one{or_a_field}; if it is the \
                     context, write `&Context`"
                ),
            );
        } else if !self.parameters.is_empty() {
            self.errors.at(
                parameter,
                format!("the state comes first: move it to the front{or_a_field}"),
            );
        } else if types::borrows(state) {
            self.errors.at(
                state,
                "a node owns its state: use a type without references and lifetimes",
            );
        } else if self.is_async && shared.is_none() {
            self.errors.at(
                ty,
                format!(
                    "other handlers use the state while an `async fn` waits, so it cannot hold on \
                     to it: take `&Shared<{name}>`, by this name, and borrow with \
                     `.with(|state| …)` between waits"
                ),
            );
        } else if !self.is_async && shared.is_some() {
            self.errors.at(
                ty,
                format!(
                    "no other handler runs while a plain `fn` does: take `&mut {name}`, or make \
                     this an `async fn`"
                ),
            );
        } else if shared.is_some() && mutable {
            self.errors.at(
                ty,
                format!("other handlers hold the state as well: take `&Shared<{name}>`"),
            );
        }
        self.state.get_or_insert_with(|| state.clone());
        self.parameters.push(Parameter::State);
    }

    fn whole(&mut self, parameter: &PatType, ty: &Type) {
        if self.whole.is_some() {
            self.errors
                .at(parameter, "a message has one body: remove this second one");
        } else if !self.fields.is_empty() || self.incomplete {
            self.errors.at(parameter, WHOLE_AND_FIELDS);
        } else if types::borrows(ty) {
            self.errors.at(
                ty,
                "the message is gone when the handler runs: take the body as a type without \
                 references and lifetimes",
            );
            self.incomplete = true;
        }
        self.whole = Some(ty.clone());
        self.parameters.push(Parameter::Body);
    }

    fn field(
        &mut self,
        parameter: &mut PatType,
        docs: Vec<syn::Attribute>,
        serde: Vec<syn::Attribute>,
    ) {
        if self.whole.is_some() {
            self.errors.at(&*parameter, WHOLE_AND_FIELDS);
            return;
        }
        let ty = self.field_type(&parameter.ty);
        match self.field_name(&parameter.pat, serde.is_empty()) {
            Some(name) => {
                if !mentions(self.code.clone(), &name) {
                    // To name a field is to declare it; the function need not use it.
                    let allow = syn::parse_quote!(#[allow(unused_variables)]);
                    parameter.attrs.push(allow);
                }
                self.parameters.push(Parameter::Field(name.clone()));
                self.fields.push(Field {
                    name,
                    ty,
                    docs,
                    serde,
                });
            }
            None => self.incomplete = true,
        }
    }

    /// The type of a field, or what to take instead.
    fn field_type(&mut self, ty: &Type) -> Type {
        let unit: Type = syn::parse_quote!(());
        if let Type::ImplTrait(_) = types::bare(ty) {
            self.errors.at(
                ty,
                "the runtime has to know the type of a field to read it: write the type that you \
                 need",
            );
            return unit;
        }
        if !types::borrows(ty) {
            return ty.clone();
        }
        let owned = types::owned(ty);
        let instead = match &owned {
            Some(owned) => format!("take `{}`", show(owned)),
            None => "take an owned type, such as `String`".to_owned(),
        };
        self.errors.at(
            ty,
            format!(
                "the message is gone when the handler runs, so a field cannot borrow: {instead}"
            ),
        );
        owned.unwrap_or(unit)
    }

    fn field_name(&mut self, pattern: &Pat, is_wire_name: bool) -> Option<Ident> {
        let ident = match pattern {
            Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
                &pattern.ident
            }
            Pat::Wild(_) => {
                self.errors.at(
                    pattern,
                    "a parameter is named like the field in the message: write that name, which \
                     may stay unused without a warning",
                );
                return None;
            }
            _ => {
                self.errors.at(
                    pattern,
                    "a parameter is named like the field in the message: write that name, and take \
                     the value apart inside the function",
                );
                return None;
            }
        };
        let name = ident.unraw().to_string();
        let without_underscore = name.trim_start_matches('_');
        if is_wire_name && HEADER.contains(&name.as_str()) {
            self.errors.at(
                ident,
                format!(
                    "the runtime itself writes and reads `{name}`: give the field another name, or \
                     take the whole body, `Body(body): Body<…>`"
                ),
            );
        } else if is_wire_name && without_underscore != name {
            self.errors.at(
                ident,
                format!(
                    "a parameter is named like the field in the message: write \
                     `{without_underscore}`, which may stay unused without a warning"
                ),
            );
        }
        Some(ident.clone())
    }
}

const WHOLE_AND_FIELDS: &str = "`Body` takes the whole body, and other parameters take its fields: \
                                have either, and make the other a field of the type in `Body`";

/// Serde's field attributes.
const SERDE: [&str; 14] = [
    "alias",
    "borrow",
    "bound",
    "default",
    "deserialize_with",
    "flatten",
    "getter",
    "rename",
    "serialize_with",
    "skip",
    "skip_deserializing",
    "skip_serializing",
    "skip_serializing_if",
    "with",
];

/// The first name in an attribute `#[serde(…)]` that serde does not know.
///
/// Serde would say so too, but nothing that it derives would be there, and all that needs it would
/// complain.
fn unknown_to_serde(attribute: &syn::Attribute) -> Option<syn::Path> {
    let parts = attribute
        .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        .ok()?;
    parts
        .into_iter()
        .map(|part| part.path().clone())
        .find(|path| !SERDE.iter().any(|known| path.is_ident(known)))
}

/// Whether this is `state: State`: a field by the rules, the node's state by the looks of it.
fn is_state_by_value(parameter: &PatType) -> bool {
    let name = match &*parameter.pat {
        Pat::Ident(pattern) => pattern.ident.to_string(),
        _ => return false,
    };
    let ty = types::bare(&parameter.ty);
    name.trim_start_matches('_') == "state"
        && matches!(ty, Type::Path(path) if path.path.is_ident("State"))
}

/// Whether the tokens have this name where it can be a variable.
fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    let mut after_dot = false;
    tokens.into_iter().any(|token| {
        let dot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
        let member = after_dot;
        after_dot = dot && !member;
        match token {
            TokenTree::Group(group) => mentions(group.stream(), name),
            TokenTree::Ident(ident) => !member && ident == *name,
            // Format strings capture variables: "{message}".
            TokenTree::Literal(literal) => literal.to_string().contains(&name.unraw().to_string()),
            TokenTree::Punct(_) => false,
        }
    })
}
