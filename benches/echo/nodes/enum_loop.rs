//! What most people write by hand: an internally tagged enum of payloads,
//! flattened into the body, and a loop over the lines of standard input
//! (known from Jon Gjengset's rustengan).

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Message {
    src: String,
    dest: String,
    body: EchoBody,
}

#[derive(Serialize, Deserialize)]
struct EchoBody {
    msg_id: Option<usize>,
    in_reply_to: Option<usize>,
    #[serde(flatten)]
    payload: Payload,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Payload {
    Init {
        node_id: String,
        node_ids: Vec<String>,
    },
    InitOk,
    Echo {
        echo: String,
    },
    EchoOk {
        echo: String,
    },
}

fn main() -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let mut next_id = 0;
    for line in io::stdin().lines() {
        let request: Message = serde_json::from_str(&line?)?;
        let payload = match request.body.payload {
            Payload::Init { .. } => Payload::InitOk,
            Payload::Echo { echo } => Payload::EchoOk { echo },
            Payload::InitOk | Payload::EchoOk { .. } => continue,
        };
        let reply = Message {
            src: request.dest,
            dest: request.src,
            body: EchoBody {
                msg_id: Some(next_id),
                in_reply_to: request.body.msg_id,
                payload,
            },
        };
        next_id += 1;
        serde_json::to_writer(&mut stdout, &reply)?;
        stdout.write_all(b"\n")?;
    }
    Ok(())
}
