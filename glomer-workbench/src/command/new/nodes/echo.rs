//! Answers what it is told.

use glomer_runtime::prelude::*;
use serde_json::Value;

#[handler("echo", reply = "echo")]
fn echo(echo: Value) -> Value {
    echo
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<()>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use glomer_workbench::Test;
    use glomer_workbench::workload::Echo;

    #[test]
    fn echoes() {
        Test::new(Echo)
            .nodes(1)
            .time_limit(Duration::from_secs(10))
            .seeds(0..20)
            .run::<()>()
            .assert_valid();
    }
}
