//! `dhow image tree`, `mount` and `unmount`: the layers of images, and their files.

use crate::support::image::{Image, Layer, Packing};
use crate::support::isolated;
use crate::support::tar::Entry;

fn layer(word: &str) -> Layer {
    Layer::new(&[Entry::file(word, 0o644, word)], Packing::Gzip)
}

#[test]
fn a_tree_shows_whose_layers_they_are() {
    isolated(|env| {
        env.load(&Image::of(vec![layer("a")]), "localhost/base:1").ok();
        let upper = Image::of(vec![layer("a"), layer("longer")]);
        env.load(&upper, "localhost/upper:1").ok();
        let lines = env.run(&["image", "tree", "upper:1"]).lines();
        assert_eq!(lines[0], format!("Image ID: {}", &upper.id()[..12]));
        assert_eq!(lines[1..4], ["Tags:     [localhost/upper:1]", "Size:     7B", "Image Layers"]);
        assert!(lines[4].starts_with("├── ID: "), "{}", lines[4]);
        assert!(lines[4].ends_with(" Size:      1B Top Layer of: [localhost/base:1]"), "{}", lines[4]);
        assert!(lines[5].starts_with("└── ID: "), "{}", lines[5]);
        assert!(lines[5].ends_with(" Size:      6B Top Layer of: [localhost/upper:1]"), "{}", lines[5]);
        // What stands on the lower one's layer.
        let above = env.run(&["image", "tree", "--whatrequires", "base:1"]).lines();
        assert_eq!(above[4..], lines[4..]);
        let above = env.run(&["image", "tree", "--whatrequires", "upper:1"]).lines();
        assert_eq!(above[4], lines[5]);
        env.run(&["image", "tree", "nosuch"]).fails(125, "nosuch: image not known");
        env.run(&["rmi", "-a"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn a_mounted_image_is_seen_and_stays_until_it_is_unmounted() {
    isolated(|env| {
        let one = Image::of(vec![layer("a")]);
        let two = Image::of(vec![layer("a"), layer("b")]);
        env.load(&one, "localhost/one:1").ok();
        env.load(&two, "localhost/two:1").ok();
        assert_eq!(env.run(&["image", "mount"]).ok(), "");
        for (name, files) in [("one:1", &["a"][..]), ("two:1", &["a", "b"])] {
            let path = env.run(&["image", "mount", name]).ok();
            assert_eq!(env.run(&["image", "mount", name]).ok(), path, "once");
            for file in files {
                let file = std::path::Path::new(&path).join(file);
                assert!(file.exists());
                let denied = std::fs::write(&file, "changed").unwrap_err();
                assert_eq!(denied.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
            }
        }
        let rows = env.run(&["image", "mount", "--format", "json"]).json();
        assert_eq!(rows.as_array().unwrap().len(), 2);
        assert_eq!(env.run(&["image", "mount"]).lines().len(), 2);
        env.run(&["rmi", "two:1"]).fails(2, "is mounted at");
        assert_eq!(env.run(&["image", "unmount", "two:1"]).ok(), two.id());
        assert_eq!(env.run(&["image", "unmount", "two:1"]).ok(), "", "it was not mounted");
        env.run(&["rmi", "two:1"]).ok();
        // By force it is unmounted first.
        env.run(&["rmi", "-f", "one:1"]).ok();
        assert_eq!(env.run(&["image", "mount"]).ok(), "");
        env.run(&["image", "unmount"]).fails(125, "image name or ID must be specified");
        env.nothing_is_left();
    });
}
