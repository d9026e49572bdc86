//! Network namespaces as machines, each with an address of its own, where the system grants them.

use std::collections::BTreeSet;
use std::process::{self, Command};

use serde_json::json;

use crate::support::{Asker, Running, Server, example, until};

const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// Where the server is, for all machines: an address that nobody outside this host is given
/// (RFC 2544).
const SERVER: &str = "198.18.77.254";

/// Machines on one switch. They are gone with the test.
struct Machines {
    switch: String,
}

/// Whether `ip` does this.
fn ip(arguments: &str) -> bool {
    let done = Command::new("ip").args(arguments.split(' ')).output();
    done.is_ok_and(|output| output.status.success())
}

impl Machines {
    /// One for each node; `None`, with a line that says so, where that is not granted.
    fn start() -> Option<Machines> {
        let machines = Machines {
            switch: format!("glomer{}", process::id()),
        };
        let switch = &machines.switch;
        if !ip(&format!("link add {switch} type bridge")) {
            eprintln!("skipped: no machines, since `ip link add {switch} type bridge` is refused");
            return None;
        }
        let granted = ip(&format!("addr add {SERVER}/24 dev {switch}"))
            && ip(&format!("link set {switch} up"))
            && (1..).zip(NODES).all(|(number, node)| {
                let machine = machines.of(node);
                let plug = format!("g{}{node}", process::id());
                ip(&format!("netns add {machine}"))
                    && ip(&format!(
                        "link add {plug} type veth peer name eth0 netns {machine}"
                    ))
                    && ip(&format!("link set {plug} master {switch} up"))
                    && ip(&format!(
                        "-n {machine} addr add 198.18.77.{number}/24 dev eth0"
                    ))
                    && ip(&format!("-n {machine} link set eth0 up"))
            });
        if !granted {
            eprintln!(
                "skipped: no machines, since `ip netns add` or what belongs to it is refused"
            );
        }
        granted.then_some(machines)
    }

    fn of(&self, node: &str) -> String {
        format!("{}-{node}", self.switch)
    }

    /// Runs the command on the machine of a node.
    fn run(&self, node: &str, args: &[&str]) -> Running {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.of(node)]);
        command.arg(env!("CARGO_BIN_EXE_glomer-nats")).args(args);
        Running::of(command)
    }

    fn link(&self, node: &str, state: &str) {
        let machine = self.of(node);
        assert!(ip(&format!("-n {machine} link set eth0 {state}")));
        let reaches = ip(&format!("-n {machine} route get {SERVER}"));
        assert_eq!(reaches, state == "up");
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for node in NODES {
            ip(&format!("netns del {}", self.of(node)));
        }
        ip(&format!("link del {}", self.switch));
    }
}

#[test]
fn a_machine_that_was_cut_off_catches_up() {
    let Some(machines) = Machines::start() else {
        return;
    };
    let Some(server) = Server::at(SERVER) else {
        return;
    };
    let program = example("broadcast-node");
    let url = server.url();
    let start = |node: &&str| {
        let place = ["node", "--server", &url, "--cluster", "test", "--id", node];
        let nodes = ["--nodes", "n1,n2,n3", "--", program.to_str().unwrap()];
        machines.run(node, &[&place[..], &nodes].concat())
    };
    let nodes: Vec<Running> = NODES.iter().map(start).collect();
    for (node, id) in nodes.iter().zip(NODES) {
        node.tells(&format!("{id} is ready"));
    }
    let client = Asker::new(&server);
    let hears = |node: &str, values: &BTreeSet<u64>| {
        let has = || {
            let answer = client.call(node, &json!({"type": "read"}));
            let has = serde_json::from_value(answer["messages"].clone());
            BTreeSet::is_superset(&has.unwrap(), values)
        };
        until("told", has);
    };
    let mut values = BTreeSet::new();
    let mut broadcast = |client: &Asker, value: u64| {
        let answer = client.call("n1", &json!({"type": "broadcast", "message": value}));
        assert_eq!(answer["type"], "broadcast_ok");
        values.insert(value);
        values.clone()
    };
    hears("n3", &broadcast(&client, 1));
    machines.link("n3", "down");
    let all = broadcast(&client, 2);
    hears("n2", &all);
    machines.link("n3", "up");
    hears("n3", &all);
}
