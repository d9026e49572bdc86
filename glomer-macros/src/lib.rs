//! The `#[handler]` and `#[every]` attributes of Glomer.
//!
//! They are part of `glomer_runtime::prelude`, and of use with that crate only; its documentation
//! has the whole picture.
//!
#![doc = include_str!("expansion.md")]

mod expansion;

use proc_macro::TokenStream;

/// Makes a function the handler of a type of message.
///
/// ```
/// use std::collections::BTreeSet;
/// use glomer_runtime::prelude::*;
///
/// #[derive(Default)]
/// struct State {
///     messages: BTreeSet<u64>,
/// }
///
/// #[handler("broadcast")]
/// fn broadcast(state: &mut State, cx: &Context, message: u64) {
///     if state.messages.insert(message) {
///         for peer in cx.peers() {
///             cx.send(peer, Broadcast { message });
///         }
///     }
/// }
///
/// // The function stays what it is, so a test calls it.
/// let mut state = State::default();
/// let cx = Context::mock("n1", ["n1", "n2", "n3"]);
/// broadcast(&mut state, &cx, 7);
/// assert!(state.messages.contains(&7));
/// assert_eq!(cx.sent().len(), 2);
/// ```
///
/// # Options
///
/// | written | means |
/// | --- | --- |
/// | `#[handler("read")]` | the function answers messages with `"type": "read"` |
/// | `reply = "value"` | the answer carries what the function returns as its field `value` |
/// | `message = Rumor` | the message struct is called `Rumor` |
/// | `crate = glomer` | the runtime is found by this path, instead of `::glomer_runtime`: under the name of a renamed dependency, or in a crate that passes it on |
///
/// # Parameters
///
/// References are lent by the runtime, values come from the message.
///
/// - `&S` or `&mut S`, which comes first, is the state of the node. It also says which node the
///   handler belongs to: the one whose state is `S`. A handler without it belongs to the node whose
///   state is `()`; one that a node with another state has forgotten it in is told of when the node
///   starts.
/// - `&Context` is what the handler may do: send, call, look around.
/// - Every other parameter is a field of the body, named like the parameter. Its type implements
///   serde's `Deserialize` and `Serialize`, `Clone` and `Debug`, and is owned: `String` rather than
///   `&str`. A field that the function does not use gives no warning. Fields of the body that no
///   parameter names are ignored, and an `Option` that is not there is `None`.
/// - Serde's field attributes may stand on such a parameter.
///
/// ```
/// # use glomer_runtime::prelude::*;
/// #[handler("page", reply = "lines")]
/// fn page(
///     lines: &Vec<String>,
///     from: usize,
///     #[serde(default = "ten")] limit: usize,
///     #[serde(rename = "ends-with")] suffix: Option<String>,
/// ) -> Vec<String> {
///     let wanted = |line: &&String| match &suffix {
///         Some(suffix) => line.ends_with(suffix),
///         None => true,
///     };
///     lines.iter().skip(from).filter(wanted).take(limit).cloned().collect()
/// }
///
/// fn ten() -> usize {
///     10
/// }
/// # let lines = vec!["a".to_owned(), "b".to_owned()];
/// # assert_eq!(page(&lines, 0, 5, Some("b".to_owned())), ["b"]);
/// ```
///
/// Instead of fields, one parameter `Body<T>` takes the whole body as a `T`, for which
/// `Deserialize` is enough (and `Serialize`, if the message is sent):
///
/// ```
/// # use glomer_runtime::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// #[serde(rename_all = "kebab-case")]
/// struct Query {
///     starts_with: String,
/// }
///
/// #[handler("count", reply = "count")]
/// fn count(words: &Vec<String>, Body(query): Body<Query>) -> usize {
///     words.iter().filter(|word| word.starts_with(&query.starts_with)).count()
/// }
/// # let query = Query { starts_with: "a".to_owned() };
/// # assert_eq!(count(&vec!["ab".to_owned(), "c".to_owned()], Body(query)), 1);
/// ```
///
/// # The reply
///
/// What the function returns is the answer: nothing for `{"type": "broadcast_ok"}`, a struct or a
/// map for one with its fields, and any other value for one with the field that `reply = "…"`
/// names. A `Result` whose error is `Into<Error>` answers with an `error` body on `Err`. A message
/// without a `msg_id` expects no answer and gets none.
///
/// ```
/// # use glomer_runtime::prelude::*;
/// use std::collections::BTreeMap;
/// use serde::{Deserialize, Serialize};
///
/// type Store = BTreeMap<String, u64>;
///
/// #[derive(Serialize, Deserialize)]
/// struct Found {
///     value: u64,
///     keys: usize,
/// }
///
/// #[handler("get")]
/// fn get(store: &Store, key: String) -> Result<Found, Error> {
///     match store.get(&key) {
///         Some(&value) => Ok(Found { value, keys: store.len() }),
///         None => Err(Error::key_does_not_exist(key)),
///     }
/// }
///
/// #[handler("take", reply = "value")]
/// fn take(store: &mut Store, key: String) -> Result<u64, Refused> {
///     store.remove(&key).ok_or(Refused)
/// }
///
/// /// An error of one's own, with a code of one's own.
/// struct Refused;
///
/// impl From<Refused> for Error {
///     fn from(_: Refused) -> Error {
///         Error::custom(1001, "refused")
///     }
/// }
/// # assert!(get(&Store::new(), "a".to_owned()).is_err());
/// # assert!(take(&mut Store::new(), "a".to_owned()).is_err());
/// ```
///
/// # The message
///
/// Beside the function stands a struct with its name in CamelCase, its fields, its visibility and
/// its documentation. To send the message is to send that struct, and since it knows what its
/// handler replies, so does the rpc:
///
/// ```
/// # use glomer_runtime::prelude::*;
/// #[handler("read", reply = "value")]
/// fn read(state: &u64) -> u64 {
///     *state
/// }
///
/// #[handler("sum", reply = "value")]
/// async fn sum(state: &Shared<u64>, cx: &Context) -> Result<u64, Error> {
///     let mut sum = state.with(|own| *own);
///     for peer in cx.peers() {
///         sum += cx.rpc(peer, Read {}).await?;
///     }
///     Ok(sum)
/// }
/// ```
///
/// Where a type of your own has that name already, `message = …` gives another.
///
/// The struct of a handler with `Body<T>` has the body as its only field, `Count(query)`, and is
/// generic, so that anything that serializes like a `T` can be sent in its place.
///
/// # Handlers that wait
///
/// An `async fn` may await: rpcs, sleeps, the key-value stores. Other handlers run meanwhile, so it
/// takes `&Shared<S>`, which borrows the state for one closure at a time, as in `sum` above. The
/// answer goes out when it returns.
///
/// # Init
///
/// The runtime itself answers `init`. A function under `#[handler("init")]` runs just before the
/// answer goes out, with ids and peers already in its context.
///
/// ```
/// # use glomer_runtime::prelude::*;
/// #[handler("init")]
/// fn init(place: &mut usize, cx: &Context) {
///     *place = cx.node_ids().iter().position(|id| id == cx.node_id()).unwrap_or(0);
/// }
/// # let mut place = 0;
/// # init(&mut place, &Context::mock("n1", ["n0", "n1"]));
/// # assert_eq!(place, 1);
/// ```
///
/// Nodes do not send `init`, so there is no struct for it unless `message = …` asks for one.
///
/// # In a library
///
/// Handlers are found by the linker, and a library crate that nothing uses is not linked. If the
/// handlers are all that a program takes from one, say so in the program: `use the_library as _;`.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expansion::handler(arguments.into(), item.into()).into()
}

/// Runs a function periodically.
///
/// It first runs one period after `init`. The period is a whole number of `us`, `ms` or `s`. The
/// parameters are the state, which says which node the function belongs to, and the context; it
/// returns nothing. As with [`handler`](macro@handler), `crate = glomer` says by which path the
/// runtime is found, and a library crate with nothing but such functions is linked for
/// `use the_library as _;`.
///
/// ```
/// use glomer_runtime::prelude::*;
///
/// #[derive(Default)]
/// struct State {
///     pending: Vec<u64>,
/// }
///
/// #[handler("gossip")]
/// fn gossip(state: &mut State, values: Vec<u64>) {
///     state.pending.extend(values);
/// }
///
/// #[every("100ms")]
/// fn spread(state: &mut State, cx: &Context) {
///     if state.pending.is_empty() {
///         return;
///     }
///     let values = std::mem::take(&mut state.pending);
///     for peer in cx.peers() {
///         cx.send(peer, Gossip { values: values.clone() });
///     }
/// }
/// # let mut state = State { pending: vec![5] };
/// # let cx = Context::mock("n1", ["n1", "n2"]);
/// # spread(&mut state, &cx);
/// # spread(&mut state, &cx);
/// # assert_eq!(cx.sent().len(), 1);
/// ```
///
/// An `async fn` takes `&Shared<S>` and may wait; the next run begins on time, whether or not this
/// one has ended:
///
/// ```
/// # use glomer_runtime::prelude::*;
/// #[every("2s")]
/// async fn refresh(state: &Shared<u64>, cx: &Context) {
///     if let Ok(value) = cx.seq_kv().read("value").await {
///         state.with(|state| *state = value);
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn every(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expansion::every(arguments.into(), item.into()).into()
}
