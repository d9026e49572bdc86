//! Gives out ids, none of them twice: the name of the node, a random number that each run of
//! it draws anew, and a count.

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State {
    run: u64,
    count: u64,
}

#[handler("init")]
fn init(state: &mut State, cx: &Context) {
    state.run = cx.rng().next_u64();
}

#[handler("generate", reply = "id")]
fn generate(state: &mut State, cx: &Context) -> String {
    state.count += 1;
    format!("{}-{:016x}-{}", cx.node_id(), state.run, state.count)
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use glomer_workbench::Test;
    use glomer_workbench::run::nemesis::Partition;
    use glomer_workbench::workload::UniqueIds;

    #[test]
    fn holds_under_faults() {
        Test::new(UniqueIds)
            .nodes(3)
            .rate(20.0)
            .time_limit(Duration::from_secs(20))
            .nemesis(Partition)
            .nemesis_interval(Duration::from_secs(3))
            .seeds(0..20)
            .run::<super::State>()
            .assert_valid();
    }
}
