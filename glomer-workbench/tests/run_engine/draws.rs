//! The same seed draws what it has always drawn: a seed that failed once fails again.

use glomer_workbench::workload::Workloads;

use super::*;

/// Nodes that share one memory and forget to answer every 17th request of a client.
pub(super) fn forgetful() -> impl FnMut(usize, &str, &Value) -> Vec<(String, Value)> {
    let mut asked = 0;
    let mut registers: BTreeMap<String, Value> = BTreeMap::new();
    let mut logs: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut committed = json!({});
    move |_, src, body| {
        let kind = body["type"].as_str().unwrap();
        if !matches!(kind, "init" | "topology") {
            asked += 1;
            if asked % 17 == 0 {
                return Vec::new();
            }
        }
        let key = body["key"].to_string();
        let error = |code: u64| {
            let error = json!({"type": "error", "code": code, "in_reply_to": body["msg_id"]});
            vec![(src.to_owned(), error)]
        };
        let fields = match kind {
            "echo" => json!({"echo": body["echo"]}),
            "generate" => json!({"id": asked}),
            "read" if body.get("key").is_none() => return error(11),
            "read" => match registers.get(&key) {
                Some(value) => json!({"value": value}),
                None => return error(20),
            },
            "write" => {
                registers.insert(key, body["value"].clone());
                json!({})
            }
            "cas" if registers.get(&key) != Some(&body["from"]) => return error(22),
            "cas" => {
                registers.insert(key, body["to"].clone());
                json!({})
            }
            "send" => {
                let log = logs.entry(key).or_default();
                log.push(body["msg"].clone());
                json!({"offset": log.len() - 1})
            }
            "poll" => {
                let offsets = body["offsets"].as_object().unwrap().iter();
                let polled = offsets.map(|(key, from)| {
                    let log = logs.get(&json!(key).to_string());
                    let log = log.into_iter().flatten().enumerate();
                    let from = from.as_u64().unwrap() as usize;
                    let messages: Vec<Value> = log
                        .skip(from)
                        .take(5)
                        .map(|(offset, message)| json!([offset, message]))
                        .collect();
                    (key.clone(), json!(messages))
                });
                json!({"msgs": polled.collect::<serde_json::Map<_, _>>()})
            }
            "commit_offsets" => {
                for (key, offset) in body["offsets"].as_object().unwrap() {
                    committed[key] = offset.clone();
                }
                json!({})
            }
            "list_committed_offsets" => json!({"offsets": committed}),
            "txn" => json!({"txn": body["txn"]}),
            _ => json!({}),
        };
        vec![ok(src, body, fields)]
    }
}

/// All that clients of a workload ask with a seed: when, who and what.
fn asked(workload: &AnyWorkload, seed: u64) -> Vec<String> {
    let mut plan = plan_of(workload, 3);
    plan.seed = seed;
    plan.interval = Some(ms(25));
    plan.setting.concurrency = 6;
    let ran = run(plan, &mut forgetful());
    assert_eq!(ran.problem, None);
    let invocations = ran.ops(OpType::Invoke);
    invocations
        .map(|op| format!("{} {} {} {}\n", op.time, op.process, op.f, op.value))
        .collect()
}

/// Fowler, Noll and Vo's hash, FNV-1a.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn the_same_seed_draws_what_it_always_drew() {
    // How many operations the seeds 1 to 3 draw, and their digest, by the engine that came
    // before the trait `Workload`.
    let drawn: [(&str, usize, u64); 10] = [
        ("echo", 612, 0x0783_29d8_4c1b_6ce6),
        ("unique-ids", 612, 0x9d9b_fd46_e20f_1a78),
        ("broadcast", 630, 0x9538_48c1_bd42_04c7),
        ("g-set", 630, 0x4b4f_c129_dfa5_23f9),
        ("g-counter", 630, 0x32d1_6638_86ca_66d8),
        ("pn-counter", 630, 0x931b_f2aa_c4ec_a1af),
        ("lin-kv", 1221, 0xd66b_7cb7_5ec9_77bd),
        ("kafka", 775, 0xdce0_992a_fddd_df94),
        ("txn-list-append", 612, 0xff6a_ad09_9abc_9c34),
        ("txn-rw-register", 612, 0x91fe_c76b_0dec_a471),
    ];
    let workloads = Workloads::default();
    for (name, count, digest_before) in drawn {
        let workload = workloads.get(name).unwrap();
        let asked: Vec<String> = (1..=3).flat_map(|seed| asked(workload, seed)).collect();
        let found = (asked.len(), digest(&asked.concat()));
        assert_eq!(found, (count, digest_before), "{name}");
    }
}
