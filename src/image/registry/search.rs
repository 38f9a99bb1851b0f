//! What a registry has: by its search (Docker's index, `/v1/search`), else by its catalog (distribution-spec, "Listing
//! Repositories"), which is looked through here.

use anyhow::{Context as _, Result, bail};
use reqwest::header::{HeaderMap, LINK};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::client::Client;
use super::http;
use super::tags::{followed, next_page};
use crate::image::manifest::check_depth;
use crate::model::error::Error;
use crate::model::reference::{DOCKER_HUB, Reference};

/// The largest answer, and the most repositories that are looked through.
const PAGE_MAX: usize = 4 << 20;
const LOOKED_MAX: usize = 100_000;
/// How many repositories are asked for at once.
const PAGE: usize = 1000;
/// Where Docker's registry is searched.
const DOCKER_INDEX: &str = "https://index.docker.io/v1/search";

/// A repository that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Hit {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default, rename = "star_count")]
    pub(crate) stars: u64,
    #[serde(default, rename = "is_official")]
    pub(crate) official: bool,
    #[serde(default, rename = "is_automated")]
    pub(crate) automated: bool,
}

#[derive(Deserialize)]
struct Found {
    results: Option<Vec<Hit>>,
}

#[derive(Deserialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

impl Client {
    /// The repositories of `registry` (a host) that `term` is part of the name of, at most `limit`.
    pub(crate) fn search(&self, registry: &str, term: &str, limit: usize) -> Result<Vec<Hit>> {
        let probe: Reference = format!("{registry}/search/probe").parse()?;
        let endpoint = self.read_origin(&probe)?;
        self.block_on(async {
            let credential = self.credential(&probe, &endpoint)?;
            let (_, hits) = self
                .at(&endpoint, credential, "registry:catalog:*", |session| async move {
                    let base = match registry {
                        DOCKER_HUB => DOCKER_INDEX.parse().context("form a URL")?,
                        _ => session.url("/v1/search")?,
                    };
                    let mut url: Url = base;
                    url.query_pairs_mut().append_pair("q", term).append_pair("n", &limit.to_string());
                    let response = session.get(url, HeaderMap::new()).await?;
                    if response.status() == StatusCode::OK {
                        let bytes = http::body(response, PAGE_MAX).await?;
                        check_depth(&bytes, "answer to a search")?;
                        // A registry without a search may answer with a page for people.
                        if let Ok(found) = serde_json::from_slice::<Found>(&bytes) {
                            let mut hits = found.results.unwrap_or_default();
                            hits.truncate(limit);
                            return Ok(hits);
                        }
                    }
                    let mut url = session.url(&format!("_catalog?n={PAGE}"))?;
                    let (mut hits, mut looked) = (Vec::new(), 0);
                    loop {
                        let response = session.get(url.clone(), HeaderMap::new()).await?;
                        if response.status() != StatusCode::OK {
                            return Err(http::refused(response).await);
                        }
                        let link = response.headers().get(LINK).and_then(|link| link.to_str().ok());
                        let next = link.and_then(next_page).map(str::to_owned);
                        let bytes = http::body(response, PAGE_MAX).await?;
                        check_depth(&bytes, "catalog")?;
                        let page: Catalog = serde_json::from_slice(&bytes)
                            .map_err(|error| Error::invalid(format!("parse the catalog: {error}")))?;
                        let names = page.repositories.unwrap_or_default();
                        looked += names.len();
                        let empty = names.is_empty();
                        let matching = names.into_iter().filter(|name| name.contains(term));
                        hits.extend(matching.map(|name| Hit { name, ..Hit::default() }));
                        if looked > LOOKED_MAX {
                            bail!(Error::invalid(format!("the registry has more than {LOOKED_MAX} repositories")));
                        }
                        url = match next.filter(|_| !empty && hits.len() < limit) {
                            Some(next) => followed(&url, &next)?,
                            None => break,
                        };
                    }
                    hits.truncate(limit);
                    Ok(hits)
                })
                .await?;
            Ok(hits)
        })
        .with_context(|| format!("couldn't search registry {registry:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_of_dockers_index_is_read() {
        let text = r#"{"num_results":1,"results":[{"name":"alpine","description":"A minimal image","star_count":11,
            "is_official":true,"is_automated":false,"other":1}]}"#;
        let found: Found = serde_json::from_str(text).unwrap();
        let hit = Hit {
            name: "alpine".into(),
            description: "A minimal image".into(),
            stars: 11,
            official: true,
            automated: false,
        };
        assert_eq!(found.results.unwrap(), [hit]);
        assert!(serde_json::from_str::<Found>("<html>").is_err());
    }

    proptest! {
        /// R39.
        #[test]
        fn any_answer_is_hits_or_an_error(text in "\\{\"results\":\\[(\\{\"(name|star_count|is_official)\":(\"\\PC{0,5}\"|-?[0-9]{0,12}|null|true)\\},?){0,3}\\]\\}|\\PC{0,20}") {
            drop(serde_json::from_str::<Found>(&text));
        }
    }
}
