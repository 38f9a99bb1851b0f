//! A bundle on disk: a directory with `config.json`.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::Spec;
use serde_json::Value;

use crate::model::error::Error;

/// The largest `config.json`.
const MAX_CONFIG: u64 = 16 << 20;

/// Reads the specification of the bundle at `path`.
pub(crate) fn load(path: &Path) -> Result<Spec> {
    parse(&read(path)?, path)
}

/// Reads `config.json` of the bundle at `path`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let file = path.join("config.json");
    let describe = || format!("read {}", file.display());
    let mut text = Vec::new();
    std::fs::File::open(&file)
        .with_context(describe)?
        .take(MAX_CONFIG + 1)
        .read_to_end(&mut text)
        .with_context(describe)?;
    if text.len() as u64 > MAX_CONFIG {
        bail!(Error::invalid(format!("{} is too large", file.display())));
    }
    Ok(text)
}

/// Fields of `linux.intelRdt`, and what they are called by who parses specifications (oci-spec 0.10).
const MISSPELT: [(&str, &str); 2] = [("enableCMT", "enableCmt"), ("enableMBM", "enableMbm")];

/// Parses what [`read`] gave for the bundle at `path`.
pub(crate) fn parse(text: &[u8], path: &Path) -> Result<Spec> {
    let describe = || format!("parse {}", path.join("config.json").display());
    if !text.windows(8).any(|word| word == b"intelRdt") {
        return serde_json::from_slice(text).with_context(describe);
    }
    let mut document: Value = serde_json::from_slice(text).with_context(describe)?;
    if let Some(Value::Object(fields)) = document.pointer_mut("/linux/intelRdt") {
        for (name, known) in MISSPELT {
            if let Some(value) = fields.shift_remove(name) {
                fields.insert(known.to_owned(), value);
            }
        }
    }
    serde_json::from_value(document).with_context(describe)
}

/// The root of the specification, as an absolute path.
pub(crate) fn root(spec: &Spec, bundle: &Path) -> Result<PathBuf> {
    let Some(root) = spec.root() else { bail!(Error::invalid("the specification has no root")) };
    Ok(bundle.join(root.path()))
}
