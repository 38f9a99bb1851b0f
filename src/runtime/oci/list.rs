//! `state`, `list` and `ps`: what there is, as JSON or as a table.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::args::{ListArgs, PsArgs};
use super::record::{Container, Record, Root, Status};
use crate::model::error::Error;

/// The state as the specification has it, with runc's fields besides.
fn state(container: &Container, record: &Record) -> Result<(Status, Value)> {
    let status = container.status(record)?;
    let pid = match record.init {
        Some(init) if status != Status::Stopped => init.pid,
        _ => 0,
    };
    let mut state = json!({
        "ociVersion": record.oci_version,
        "id": container.id,
        "pid": pid,
        "status": status.name(),
        "bundle": record.bundle,
        "rootfs": record.rootfs,
        "created": record.created,
        "owner": container.owner(),
    });
    if !record.annotations.is_empty() {
        state["annotations"] = json!(record.annotations);
    }
    Ok((status, state))
}

/// `state`.
pub(crate) fn show(container: &Container) -> Result<String> {
    let (_, state) = state(container, &container.record()?)?;
    Ok(serde_json::to_string_pretty(&state).context("encode the state")? + "\n")
}

/// `list`. One whose record cannot be read is listed as such, and hides no other.
pub(crate) fn list(root: &Root, args: &ListArgs) -> Result<String> {
    let containers = root.list()?;
    if args.quiet {
        return Ok(containers.iter().map(|container| format!("{}\n", container.id)).collect());
    }
    let known =
        containers.iter().map(|container| match container.record().and_then(|record| state(container, &record)) {
            Ok((_, state)) => state,
            Err(_) => json!({"ociVersion": "", "id": container.id, "pid": 0, "status": "damaged", "bundle": "",
            "rootfs": "", "created": "", "owner": container.owner()}),
        });
    let known: Vec<Value> = known.collect();
    match args.format.as_str() {
        "json" => Ok(serde_json::to_string(&known).context("encode the list")? + "\n"),
        "table" => {
            let columns = ["id", "pid", "status", "bundle", "created", "owner"];
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let mut rows = vec![columns.map(str::to_ascii_uppercase).to_vec()];
            rows.extend(known.iter().map(|state| columns.map(|column| text(&state[column])).to_vec()));
            Ok(table(&rows))
        }
        other => bail!(Error::invalid(format!("invalid format {other:?}"))),
    }
}

/// `ps`: the numbers of the container's processes as the host sees them. Nothing is executed for it.
pub(crate) fn ps(root: &Root, args: &PsArgs) -> Result<String> {
    if !args.options.is_empty() {
        bail!(Error::unsupported("options of ps are not supported: nothing is executed").hint("use --format json"));
    }
    let container = root.container(&args.id)?;
    let mut pids = container.record()?.cgroup.processes()?;
    pids.sort_unstable();
    match args.format.as_str() {
        "json" => Ok(serde_json::to_string(&pids).context("encode the list")? + "\n"),
        "table" => Ok(std::iter::once("PID\n".to_owned()).chain(pids.iter().map(|pid| format!("{pid}\n"))).collect()),
        other => bail!(Error::invalid(format!("invalid format {other:?}"))),
    }
}

/// Rows as runc sets them: columns of at least 12, three blanks between them.
fn table(rows: &[Vec<String>]) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count() + 3).max().unwrap_or(0).max(12)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if at + 1 < count {
                let fill = widths[at].saturating_sub(cell.chars().count());
                text.extend(std::iter::repeat_n(' ', fill));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows =
            [vec!["ID".to_owned(), "PID".into(), "X".into()], vec!["a-long-name".into(), "7".into(), "y".into()]];
        assert_eq!(table(&rows), "ID            PID         X\na-long-name   7           y\n");
    }
}
