use glomer_runtime::prelude::*;

/// A node that keeps a sum in the linearizable store.
pub(crate) struct Counter {
    /// Whether it writes only if the sum is still what it read.
    compares: bool,
}

impl Counter {
    pub(crate) fn new(compares: bool) -> Counter {
        Counter { compares }
    }
}

#[handler("add")]
async fn add(counter: &Shared<Counter>, cx: &Context, delta: i64) -> Result<(), Error> {
    let kv = cx.lin_kv();
    loop {
        let sum: i64 = kv.read_or("sum", 0).await?;
        if !counter.with(|counter| counter.compares) {
            return kv.write("sum", sum + delta).await;
        }
        match kv.cas_or_create("sum", sum, sum + delta).await {
            Err(error) if error.code() == 22 => {}
            done => return done,
        }
    }
}

#[handler("read", reply = "value")]
async fn read(_: &Shared<Counter>, cx: &Context) -> Result<i64, Error> {
    cx.lin_kv().read_or("sum", 0).await
}
