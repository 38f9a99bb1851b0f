//! `dhow port`.

use anyhow::Result;

use super::names::one;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::engine::list::Listed;
use crate::model::error::Error;
use crate::model::status::Status;

/// List the published ports of a container, or where one of them is published
#[derive(clap::Args)]
pub(crate) struct PortArgs {
    /// Of all running containers
    #[arg(short, long)]
    all: bool,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// The container, then perhaps PORT[/PROTOCOL]
    #[arg(value_name = "CONTAINER [PORT[/PROTOCOL]]", num_args = 0..=2)]
    words: Vec<String>,
}

impl Run<Context> for PortArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let mut text = String::new();
        if self.all {
            if self.latest || !self.words.is_empty() {
                return Err(Error::invalid("no arguments are needed with --all").into());
            }
            for listed in engine.list()? {
                let Listed::Container(read) = listed else { continue };
                if read.state.status == Status::Running {
                    for port in crate::engine::port::published(&read) {
                        text.push_str(&format!(
                            "{}\t{} -> {}\n",
                            read.config.id.short(),
                            port.inside(),
                            port.outside()
                        ));
                    }
                }
            }
            stdout::print(&text)?;
            return Ok(0);
        }
        let (name, rest) = one(engine, self.latest, &self.words, "you must supply a running container name or id")?;
        let wanted = match rest {
            [] => None,
            [port] => Some(port.as_str()),
            _ => {
                return Err(Error::invalid(format!(
                    "`dhow port` accepts at most a container and a port, received {}",
                    rest.len() + 1
                ))
                .into());
            }
        };
        let ports = engine.port(&name, wanted)?;
        for port in &ports {
            match wanted {
                Some(_) => text.push_str(&format!("{}\n", port.outside())),
                None => text.push_str(&format!("{} -> {}\n", port.inside(), port.outside())),
            }
        }
        stdout::print(&text)?;
        Ok(0)
    }
}
