//! What a policy asks, for people (`image trust show`).

use std::path::Path;

use anyhow::Result;

use super::lookaside::Lookaside;
use super::openpgp::Ring;
use super::policy::Policy;
use super::requirement::Requirement;

/// One requirement of one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `all`, `repository` for registries, or the transport.
    pub(crate) transport: String,
    /// The scope as it is shown, and as it is.
    pub(crate) name: String,
    pub(crate) scope: String,
    /// In the words of `image trust set`.
    pub(crate) kind: &'static str,
    /// Whose keys these are.
    pub(crate) ids: String,
    /// Where signatures are looked for, if a file says so.
    pub(crate) store: String,
}

/// Everything that `policy` asks; `registries` is the directory of registries.d.
pub(crate) fn describe(policy: &Policy, registries: &Path) -> Result<Vec<Asked>> {
    let lookaside = Lookaside::load(registries)?;
    let mut all = Vec::new();
    let mut add = |transport: &str, name: &str, scope: &str, place: &str, requirements: &[Requirement]| {
        all.extend(requirements.iter().map(|requirement| Asked {
            transport: transport.to_owned(),
            name: name.to_owned(),
            scope: scope.to_owned(),
            kind: kind(requirement),
            ids: ids(requirement),
            store: lookaside.said_of(place),
        }));
    };
    add("all", "* (default)", "default", "", &policy.default);
    let mut transports: Vec<_> = policy.transports.iter().collect();
    transports.sort_by_key(|(name, _)| name);
    for (transport, scopes) in transports {
        let shown = if transport == "docker" { "repository" } else { transport };
        let mut scopes: Vec<_> = scopes.iter().collect();
        scopes.sort_by_key(|(scope, _)| scope);
        for (scope, requirements) in scopes {
            add(shown, scope, scope, scope, requirements);
        }
    }
    Ok(all)
}

fn kind(requirement: &Requirement) -> &'static str {
    match requirement {
        Requirement::Accept => "accept",
        Requirement::Reject => "reject",
        Requirement::SignedBy { .. } => "signed",
        Requirement::SigstoreSigned { .. } => "sigstoreSigned",
    }
}

/// A file that cannot be read is nobody's: the policy is shown all the same.
fn ids(requirement: &Requirement) -> String {
    match requirement {
        Requirement::Accept | Requirement::Reject => String::new(),
        Requirement::SigstoreSigned { .. } => "N/A".to_owned(),
        Requirement::SignedBy { keys, .. } => {
            let ring = keys.read().and_then(|files| Ring::new(&files));
            ring.map(|ring| ring.owners().join(", ")).unwrap_or_default()
        }
    }
}
