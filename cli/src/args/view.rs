//! What can be typed to see a command's queues while it runs.

use clap::Args;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where the page is unless somebody says otherwise.
const ADDRESS: &str = "127.0.0.1:8080";

/// The live view.
#[derive(Debug, Clone, Default, Args)]
pub struct View {
    /// Show how it goes on the whole terminal, live; q ends it as Ctrl-C does, and ? lists the keys
    #[arg(long)]
    pub tui: bool,
    /// Show how it goes on a page, live, with `/metrics` beside it; an address or a port after `=` takes the place of 127.0.0.1:8080, port 0
    /// is any; beyond loopback only with a token
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true, default_missing_value = ADDRESS, value_parser = address)]
    pub http: Option<SocketAddr>,
    /// What whoever acts on the page (acknowledges, notes, ticks, stops) must know: 16 to 128 letters, digits or `-_.~`; without it the page only shows
    #[arg(
        long,
        env = "FIREDRILL_HTTP_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub http_token: Option<String>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let port = text.parse().map(|port| SocketAddr::new(local, port));
    port.or_else(|_| text.parse())
        .map_err(|_| format!("a port, or an address such as {ADDRESS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_one_of_loopback() {
        assert_eq!(address("9000"), Ok(([127, 0, 0, 1], 9000).into()));
        assert_eq!(address("0.0.0.0:80"), Ok(([0, 0, 0, 0], 80).into()));
        for bad in ["", "localhost", "127.0.0.1", "70000", "a:b"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
