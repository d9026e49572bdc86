/// Reads a page of values.
#[handler("read", reply = "values")]
pub fn read(
    state: &State,
    /// How many values there are at most.
    #[serde(default)]
    limit: Option<usize>,
    from: u64,
) -> Result<Vec<u64>, ReadError> {
    state.page(from, limit)
}

#[handler("search", message = Lookup)]
#[cfg(feature = "search")]
pub(crate) async fn search(state: &Shared<State>, cx: &Context, Body(query): Body<Query>) -> io::Result<Found> {
    query.run(state, cx).await
}

#[handler("topology")]
fn topology(_: &State, topology: BTreeMap<String, Vec<String>>) {}

#[every("1500us")]
async fn gossip(state: &Shared<State>, cx: &Context) {
    state.with(|state| state.spread(cx));
}

#[every("2s")]
fn tidy(state: &mut State) {
    state.tidy();
}
