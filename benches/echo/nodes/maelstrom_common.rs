//! The node on `maelstrom-common`, which leaves `init` and the header of the
//! body to its user.

use std::io;
use std::sync::mpsc::Sender;

use maelstrom_common::{Envelope, HandleMessage};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message {
    Init { msg_id: usize },
    InitOk { in_reply_to: usize },
    Echo { msg_id: usize, echo: String },
    EchoOk { in_reply_to: usize, echo: String },
}

struct Echo;

impl HandleMessage for Echo {
    type Message = Message;
    type Error = io::Error;

    fn handle_message(
        &mut self,
        request: Envelope<Message>,
        output: Sender<Envelope<Message>>,
    ) -> io::Result<()> {
        let reply = match &request.body {
            Message::Init { msg_id } => Message::InitOk {
                in_reply_to: *msg_id,
            },
            Message::Echo { msg_id, echo } => Message::EchoOk {
                in_reply_to: *msg_id,
                echo: echo.clone(),
            },
            Message::InitOk { .. } | Message::EchoOk { .. } => return Ok(()),
        };
        output.send(request.reply(reply)).map_err(io::Error::other)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    maelstrom_common::run(Echo)
}
