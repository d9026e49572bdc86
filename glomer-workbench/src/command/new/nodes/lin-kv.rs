//! Linearizable registers, by passing every request on to the service `lin-kv`. To do without
//! it, begin here.

use glomer_runtime::prelude::*;
use serde_json::Value;

#[derive(Default)]
struct State;

#[handler("read", reply = "value")]
async fn read(_: &Shared<State>, cx: &Context, key: Value) -> Result<Value, Error> {
    cx.lin_kv().read(key).await
}

#[handler("write")]
async fn write(_: &Shared<State>, cx: &Context, key: Value, value: Value) -> Result<(), Error> {
    cx.lin_kv().write(key, value).await
}

#[handler("cas")]
async fn cas(
    _: &Shared<State>,
    cx: &Context,
    key: Value,
    from: Value,
    to: Value,
) -> Result<(), Error> {
    cx.lin_kv().cas(key, from, to).await
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use glomer_workbench::Test;
    use glomer_workbench::run::nemesis::Partition;
    use glomer_workbench::workload::LinKv;

    #[test]
    fn holds_under_faults() {
        Test::new(LinKv::default())
            .nodes(3)
            .concurrency(6)
            .rate(20.0)
            .time_limit(Duration::from_secs(20))
            .nemesis(Partition)
            .nemesis_interval(Duration::from_secs(3))
            .seeds(0..20)
            .run::<super::State>()
            .assert_valid();
    }
}
