//! The firewall: one table of our own, whose skeleton is made once and whose sets then gain and lose elements.
//!
//! Everything happens under the network lock of a store. Two stores may share a network namespace and so the table:
//! additions and removals are single transactions, and the table goes only while nothing changed since it was seen empty.

pub(crate) mod nft;
pub(crate) mod rule;

use std::io;

use anyhow::{Context, Result};

use self::nft::{Batch, Nft, Refusal};
use self::rule::{Element, Owner, Set};
use crate::model::error::Error;

/// An open door to the firewall of the namespace of the calling thread.
pub(crate) struct Firewall {
    nft: Nft,
}

impl Firewall {
    /// Opens it; the error names what the kernel lacks.
    pub(crate) fn open() -> Result<Self> {
        let nft = Nft::open().map_err(|error| match error.raw_os_error() {
            Some(libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT) => missing("netlink for netfilter", &error),
            _ => anyhow::Error::new(error).context("open netlink for netfilter"),
        })?;
        Ok(Self { nft })
    }

    /// Adds `elements`, which may be there already. Makes the table when it is missing, and says so: then everything
    /// that others had in it is missing too.
    pub(crate) fn add(&self, elements: &[Element]) -> Result<bool> {
        // Asked first: a transaction that is refused waits for the kernel's readers before it says so.
        if !self.nft.has_table().context("look for the firewall's table")? {
            return self.make_table(elements);
        }
        let mut batch = Batch::new(None);
        batch.add(elements);
        let Err(refusal) = self.nft.apply(batch).context("change the firewall")? else { return Ok(false) };
        if refusal.only(&[libc::ENOENT]) {
            return self.make_table(elements);
        }
        if refusal.only(&[libc::EEXIST, libc::EBUSY, libc::ENOTEMPTY]) {
            return self.replace(elements).map(|()| false);
        }
        Err(refused(&refusal, "change the firewall"))
    }

    /// Makes the table with `elements` in it, or what of it is missing.
    fn make_table(&self, elements: &[Element]) -> Result<bool> {
        let mut batch = Batch::new(None);
        batch.skeleton(&rule::skeleton());
        batch.add(elements);
        match self.nft.apply(batch).context("make the firewall's table")? {
            Ok(()) => Ok(true),
            Err(refusal) => Err(refused(&refusal, "make the firewall's table")),
        }
    }

    /// Adds `elements` in place of those that stand in their way: whoever adds holds the port or subnet, so that the
    /// others are of the dead.
    fn replace(&self, elements: &[Element]) -> Result<()> {
        let mut batch = Batch::new(None);
        for set in Set::ALL {
            let ours: Vec<_> = elements.iter().filter(|e| e.set == set).collect();
            if ours.is_empty() {
                continue;
            }
            for old in self.nft.elements(set).context("list the firewall")? {
                if !old.closes && ours.iter().any(|new| collide(&old, new) && **new != old) {
                    batch.remove(&[old]);
                }
            }
        }
        batch.add(elements);
        match self.nft.apply(batch).context("change the firewall")? {
            Ok(()) => Ok(()),
            Err(refusal) => Err(refused(&refusal, "change the firewall")),
        }
    }

    /// Removes `elements`; what is gone already is success.
    pub(crate) fn remove(&self, elements: &[Element]) -> Result<()> {
        let mut groups: Vec<&[Element]> = elements.chunk_by(|_, next| next.closes).collect();
        // The second attempt leaves out what the first one did not find; others may have removed more meanwhile.
        for _ in 0..4 {
            if groups.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::new(None);
            for group in &groups {
                batch.remove(group);
            }
            let Err(refusal) = self.nft.apply(batch).context("change the firewall")? else { return Ok(()) };
            if !refusal.only(&[libc::ENOENT]) {
                return Err(refused(&refusal, "change the firewall"));
            }
            let gone: Vec<usize> = refusal.operations.iter().filter_map(|(operation, _)| *operation).collect();
            let mut number = 0;
            groups.retain(|_| {
                number += 1;
                !gone.contains(&(number - 1))
            });
        }
        Err(Error::unavailable("the firewall is changed by others all the time").into())
    }

    /// The elements of containers whose owner `wanted` tells.
    pub(crate) fn of_containers(&self, wanted: impl Fn(&Owner) -> bool) -> Result<Vec<Element>> {
        let mut found = Vec::new();
        for set in Set::OF_CONTAINERS {
            let elements = self.nft.elements(set).context("list the firewall")?;
            found.extend(elements.into_iter().filter(|e| Owner::parse(&e.comment).is_some_and(|o| wanted(&o))));
        }
        Ok(found)
    }

    /// Removes the table if no network but `last` is in it. Says whether it is gone.
    pub(crate) fn remove_table(&self, last: &Owner) -> Result<bool> {
        let last = last.to_string();
        for _ in 0..4 {
            let generation = self.nft.generation().context("read the firewall's generation")?;
            let bridges = self.nft.elements(Set::Bridges).context("list the firewall")?;
            if bridges.iter().any(|bridge| bridge.comment != last) {
                return Ok(false);
            }
            let mut batch = Batch::new(Some(generation));
            batch.remove_table();
            match self.nft.apply(batch).context("remove the firewall's table")? {
                Ok(()) => return Ok(true),
                Err(refusal) if refusal.only(&[libc::ENOENT]) => return Ok(true),
                Err(refusal) if refusal.error().raw_os_error() == Some(libc::ERESTART) => {}
                Err(refusal) => return Err(refused(&refusal, "remove the firewall's table")),
            }
        }
        Ok(false)
    }

    /// Looks for chains of others that drop what is forwarded; each warning has the commands that let `bridge` through.
    pub(crate) fn warnings(&self, bridge: &str) -> Result<Vec<String>> {
        const FORWARD: u32 = 2;
        let chains = self.nft.base_chains().context("list the firewall")?;
        Ok(chains
            .iter()
            .filter(|c| c.drops && c.hook == FORWARD && [1, 2, 10].contains(&c.family) && c.table != rule::TABLE)
            .map(|c| {
                let family = match c.family {
                    1 => "inet",
                    2 => "ip",
                    _ => "ip6",
                };
                let (table, chain) = (&c.table, &c.name);
                format!(
                    "chain {family} {table} {chain} drops forwarded packets by default, so containers may have no network; \
                     let them through with: nft insert rule {family} {table} {chain} iifname {bridge} accept; \
                     nft insert rule {family} {table} {chain} oifname {bridge} accept"
                )
            })
            .collect())
    }
}

/// Whether two elements of one set cannot stand side by side.
fn collide(a: &Element, b: &Element) -> bool {
    let end = |e: &Element| e.end.clone().unwrap_or_else(|| e.key.clone());
    let (a_end, b_end) = (end(a), end(b));
    // Intervals of a concatenation overlap when each of their fields does.
    let mut at = 0;
    a.set.layout().key.iter().all(|field| {
        let length = usize::try_from(field.describe().1).unwrap_or(0);
        let span = at..at + length;
        at = span.end.next_multiple_of(4);
        let slice = |key: &[u8]| key.get(span.clone()).map(<[u8]>::to_vec).unwrap_or_default();
        slice(&a.key) <= slice(&b_end) && slice(&b.key) <= slice(&a_end)
    })
}

fn missing(what: &str, error: &io::Error) -> anyhow::Error {
    Error::unsupported(format!("this kernel has no {what}: {error}"))
        .hint(
            "it needs CONFIG_NF_TABLES_INET, NFT_NAT, NFT_MASQ, NFT_CT and NFT_FIB_INET; or use --network none or host",
        )
        .into()
}

fn refused(refusal: &Refusal, what: &str) -> anyhow::Error {
    let error = refusal.error();
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT) => missing("nf_tables with NAT", &error),
        Some(libc::ENOENT) if what.contains("table") => missing("nf_tables with NAT", &error),
        _ => anyhow::Error::new(error).context(what.to_owned()),
    }
}
