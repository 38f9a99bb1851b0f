//! `dhow search`: by a registry's catalog, and the tags of a repository.

use serde_json::json;

use crate::support::image::{Flavor, Image, Layer, Packing};
use crate::support::isolated;
use crate::support::registry::Registry;
use crate::support::tar::Entry;

const PLAIN: &str = "--tls-verify=false";

#[test]
fn the_tags_of_a_repository_are_listed() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = Image::of(vec![Layer::new(&[Entry::file("a", 0o644, "a")], Packing::Gzip)]);
        for tag in ["1", "2", "3"] {
            registry.add("some/app", tag, &image, Flavor::Oci);
        }
        let name = registry.reference("some/app");
        let listed = env.run(&["search", PLAIN, "--list-tags", "--format", "{{.Name}} {{.Tag}}", &name]);
        assert_eq!(listed.lines(), ["1", "2", "3"].map(|tag| format!("{name} {tag}")));
        let lines = env.run(&["search", PLAIN, "--list-tags", "--limit=2", &name]).lines();
        let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
        assert_eq!(words, ["NAME", "TAG", &name, "1", &name, "2"]);
        let whole = env.run(&["search", PLAIN, "--list-tags", "--format=json", &name]).json();
        assert_eq!(whole, json!([{"Name": name, "Tags": ["1", "2", "3"]}]));
        let tagged = format!("{name}:1");
        env.run(&["search", PLAIN, "--list-tags", &tagged]).fails(125, "must be a docker reference without a tag");
        env.run(&["search", PLAIN, "--filter", "x=1", &name]).fails(125, "invalid filter type");
        env.nothing_is_left();
    });
}

#[test]
fn a_registry_without_a_search_is_looked_through() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = Image::of(vec![Layer::new(&[Entry::file("a", 0o644, "a")], Packing::Gzip)]);
        for name in ["some/app", "other/app", "other/tool"] {
            registry.add(name, "1", &image, Flavor::Oci);
        }
        let find = |words: &[&str]| {
            let all: Vec<&str> = ["search", PLAIN, "--format", "{{.Name}}"].iter().chain(words).copied().collect();
            env.run(&all)
        };
        let name = |name: &str| registry.reference(name);
        assert_eq!(find(&[&name("app")]).lines(), [name("other/app"), name("some/app")]);
        assert_eq!(find(&["--limit", "1", &name("app")]).lines(), [name("other/app")]);
        assert_eq!(find(&["--filter", "is-official", &name("app")]).ok(), "", "a catalog knows of none");
        assert_eq!(find(&[&name("nosuch")]).ok(), "");
        env.run(&["search", "--filter", "stars=x", &name("app")]).fails(125, "incorrect value type for stars filter");
        env.nothing_is_left();
    });
}
