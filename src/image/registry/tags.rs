//! The tags of a repository, page by page (distribution-spec, "Listing Tags").

use anyhow::{Context as _, Result, bail};
use reqwest::header::{HeaderMap, LINK};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::auth::same_origin;
use super::client::{Client, pull_of};
use super::http;
use crate::image::manifest::check_depth;
use crate::model::error::Error;
use crate::model::reference::Reference;

/// How many are asked for at once; the registry may give fewer.
const PAGE: usize = 1000;
/// The largest page, and the most tags of a repository.
const PAGE_MAX: usize = 4 << 20;
const TAGS_MAX: usize = 100_000;

#[derive(Deserialize)]
struct Page {
    /// Some registries write null where there is none.
    tags: Option<Vec<String>>,
}

impl Client {
    /// All tags of the repository of `name`, a full name, in the registry's order. Mirrors are not asked: they may have
    /// but a part.
    pub(crate) fn tags(&self, name: &Reference) -> Result<Vec<String>> {
        let endpoint = self.read_origin(name)?;
        self.block_on(async {
            let credential = self.credential(name, &endpoint)?;
            let (_, tags) = self
                .at(&endpoint, credential, &pull_of(&endpoint.reference), |session| async move {
                    let mut url = session.url(&format!("{}/tags/list?n={PAGE}", session.endpoint.path()))?;
                    let mut tags = Vec::new();
                    loop {
                        let response = session.get(url.clone(), HeaderMap::new()).await?;
                        if response.status() != StatusCode::OK {
                            return Err(http::refused(response).await);
                        }
                        let link = response.headers().get(LINK).and_then(|link| link.to_str().ok());
                        let next = link.and_then(next_page).map(str::to_owned);
                        let bytes = http::body(response, PAGE_MAX).await?;
                        check_depth(&bytes, "list of tags")?;
                        let page: Page = serde_json::from_slice(&bytes)
                            .map_err(|error| Error::invalid(format!("parse the list of tags: {error}")))?;
                        let page = page.tags.unwrap_or_default();
                        let empty = page.is_empty();
                        tags.extend(page);
                        if tags.len() > TAGS_MAX {
                            bail!(Error::invalid(format!("the repository has more than {TAGS_MAX} tags")));
                        }
                        url = match next.filter(|_| !empty) {
                            Some(next) => followed(&url, &next)?,
                            None => return Ok(tags),
                        };
                    }
                })
                .await?;
            Ok(tags)
        })
        .with_context(|| format!("list the tags of {}", name.name()))
    }
}

/// The address of the next page in a `Link` header (RFC 8288).
pub(super) fn next_page(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |parameter: &str| matches!(parameter.trim(), "rel=next" | "rel=\"next\"");
        parameters.split(';').any(is_next).then_some(target)
    })
}

pub(super) fn followed(from: &Url, link: &str) -> Result<Url> {
    let next = from.join(link).map_err(|_| Error::invalid("the registry's next page of tags is no address"))?;
    if !same_origin(from, &next) || next == *from {
        bail!(Error::invalid("the registry's next page of tags is somewhere else"));
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_next_page_is_found() {
        for (header, want) in [
            ("</v2/a/tags/list?last=b&n=2>; rel=\"next\"", Some("/v2/a/tags/list?last=b&n=2")),
            ("<x>; rel=prev, <y>; title=z; rel=next", Some("y")),
            ("<x>; rel=\"prev\"", None),
            ("x; rel=next", None),
            ("", None),
        ] {
            assert_eq!(next_page(header), want, "{header}");
        }
        let here: Url = "https://a.b/v2/x/tags/list?n=2".parse().unwrap();
        assert_eq!(followed(&here, "?last=c&n=2").unwrap().as_str(), "https://a.b/v2/x/tags/list?last=c&n=2");
        assert!(followed(&here, "https://c.d/v2/x/tags/list").is_err());
        assert!(followed(&here, "?n=2").is_err(), "round in a circle");
    }

    proptest! {
        /// R39, R19: whatever a registry calls its next page, it lies in the same place or is none.
        #[test]
        fn any_next_page_is_of_the_same_origin(link in "<?(https?://)?[a-z.@:/\\\\]{0,12}\\PC{0,8}>?(; ?rel=\"?next\"?)?") {
            let here: Url = "https://a.b/v2/x/tags/list?n=2".parse().unwrap();
            if let Some(next) = next_page(&link).and_then(|next| followed(&here, next).ok()) {
                prop_assert!(same_origin(&here, &next), "{}", next);
            }
        }
    }
}
