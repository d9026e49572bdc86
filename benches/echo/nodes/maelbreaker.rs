//! The node on `maelbreaker`.

use maelbreaker::network::Network;
use maelbreaker::node::Node;
use maelbreaker::payload;
use maelbreaker::runtime::Runtime;
use maelbreaker::types::{Message, Try};

payload!(
    enum Payload {
        Echo { echo: String },
        EchoOk { echo: String },
    }
);

struct Echo {
    network: Network<Payload>,
}

impl Node<Payload> for Echo {
    fn from_init(network: Network<Payload>, _: String, _: Vec<String>) -> Self {
        Self { network }
    }

    fn handle_message(&mut self, message: Message<Payload>) -> Try {
        let Payload::Echo { echo } = &message.body.payload else {
            anyhow::bail!("not an echo");
        };
        let echo = echo.clone();
        self.network
            .send(message.into_reply(Payload::EchoOk { echo }))
    }
}

fn main() -> Try {
    Runtime::<Payload, Echo>::run()
}
