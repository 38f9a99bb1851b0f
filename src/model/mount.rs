//! Mounts of a container: what `-v`, `--mount` and `--tmpfs` ask for.

use serde::{Deserialize, Serialize};

use super::error::Error;

/// Where a mount's content comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Source {
    /// A path of the host.
    Bind { path: String },
    /// A named volume; an anonymous one has no name until the container is created.
    Volume {
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subpath: Option<String>,
    },
    /// A fresh tmpfs.
    Tmpfs,
    /// A fresh ramfs: memory that is never swapped out.
    Ramfs,
    /// Pseudo-terminals of the container's own, at another place than /dev/pts.
    Devpts,
    /// The files of an image; its id and its layers (chain ids, the lowest first) once the container is created.
    Image {
        image: String,
        #[serde(default)]
        id: String,
        #[serde(default)]
        layers: Vec<String>,
    },
    /// Every path of the host that matches, each a bind mount once the container is created.
    Glob { pattern: String },
    /// The files of an artifact, or of those the chosen one. Each start looks it up afresh, as podman's does.
    Artifact {
        artifact: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        /// What its file is called inside, in place of its title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
}

impl Source {
    /// Whether it is made afresh by each start, and holds nothing before.
    pub(crate) fn is_fresh(&self) -> bool {
        matches!(self, Self::Tmpfs | Self::Ramfs | Self::Devpts)
    }
}

/// One mount, as asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mount {
    #[serde(flatten)]
    pub(crate) source: Source,
    /// Absolute path inside.
    pub(crate) target: String,
    #[serde(default)]
    pub(crate) read_only: bool,
    /// A writable overlay over the source that goes with the container (`:O`).
    #[serde(default)]
    pub(crate) overlay: bool,
    /// Change the owner of the source to the container's user (`:U`).
    #[serde(default)]
    pub(crate) chown: bool,
    /// Fill an empty volume with what the image has there.
    #[serde(default)]
    pub(crate) copy_up: bool,
    /// Not recursive (`bind` rather than `rbind`).
    #[serde(default)]
    pub(crate) shallow: bool,
    /// Map the container's ids on the source (`idmap`).
    #[serde(default)]
    pub(crate) idmap: bool,
    /// Options for the kernel: `noexec`, `nosuid`, `rprivate`, `size=…`.
    #[serde(default)]
    pub(crate) options: Vec<String>,
}

impl Mount {
    fn new(source: Source, target: &str) -> Result<Self, Error> {
        if !target.starts_with('/') {
            return Err(Error::invalid(format!("invalid container path \"{target}\", must be an absolute path")));
        }
        let target = clean(target);
        if target == "/" {
            return Err(Error::invalid("container mount destination cannot be '/'"));
        }
        let copy_up = matches!(source, Source::Volume { .. });
        Ok(Self {
            source,
            target,
            read_only: false,
            overlay: false,
            chown: false,
            copy_up,
            shallow: false,
            idmap: false,
            options: Vec::new(),
        })
    }

    /// The volume without a name that an image declares at `target`. It is a path and nothing else: no part of it names a
    /// source or an option (R16). What is no path of an image's own, `/dev`, `/proc` and `/sys` included, gives none.
    pub(crate) fn of_image(target: &str) -> Option<Self> {
        if target.contains(':') || target.chars().any(char::is_control) {
            return None;
        }
        let mount = Self::new(Source::Volume { name: None, subpath: None }, target).ok()?;
        let ours =
            |top: &str| mount.target.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        (!["/dev", "/proc", "/sys"].into_iter().any(ours)).then_some(mount)
    }

    /// Parses `-v [[SOURCE|NAME:]TARGET[:OPTIONS]]`. A relative source path is joined to `cwd`.
    pub(crate) fn parse_volume(text: &str, cwd: &str) -> Result<Self, Error> {
        let bad = || Error::invalid(format!("{text}: incorrect volume format, should be [host-dir:]ctr-dir[:option]"));
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts.as_slice() {
            [target] => (None, *target, ""),
            // Two fields whose first is no path of the container are a source and a target, be it a bad one.
            [source, target] if target.starts_with('/') || !source.starts_with('/') => (Some(*source), *target, ""),
            [target, options] => (None, *target, *options),
            [source, target, options] => (Some(*source), *target, *options),
            _ => return Err(bad()),
        };
        let source = match source {
            None => Source::Volume { name: None, subpath: None },
            Some("") => return Err(Error::invalid(format!("host directory cannot be empty: {text}"))),
            Some(path) if path.starts_with('/') => Source::Bind { path: path.to_owned() },
            Some(path) if path.starts_with('.') || path.contains('/') => {
                Source::Bind { path: clean(&format!("{cwd}/{path}")) }
            }
            Some(name) => Source::Volume { name: Some(name.to_owned()), subpath: None },
        };
        let mut mount = Self::new(source, target)?;
        for option in options.split(',').filter(|option| !option.is_empty()) {
            if !mount.option(option, None)? {
                return Err(Error::invalid(format!("invalid option type {option:?}")));
            }
        }
        Ok(mount)
    }

    /// Parses `--mount type=bind,src=…,dst=…,…`.
    pub(crate) fn parse_mount(text: &str, cwd: &str) -> Result<Self, Error> {
        let (mut kind, mut source, mut target, mut subpath) = ("volume", None, None, None);
        let mut rest = Vec::new();
        for field in text.split(',').filter(|field| !field.is_empty()) {
            let (key, value) = field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value)));
            let need = || value.ok_or_else(|| Error::invalid(format!("{key} option must have a value")));
            match key {
                "type" => kind = need()?,
                "src" | "source" => source = Some(need()?),
                "dst" | "dest" | "destination" | "target" => target = Some(need()?),
                "subpath" | "volume-subpath" => subpath = Some(need()?.to_owned()),
                _ => rest.push((key, value)),
            }
        }
        // What matches keeps its place where no other is named.
        let in_place = kind == "glob" && target.is_none();
        let target = target.or(source.filter(|_| in_place));
        let target = target.ok_or_else(|| Error::invalid("must set volume destination"))?;
        if subpath.is_some() && kind != "volume" {
            return Err(Error::invalid(format!("\"subpath\" option not supported for \"{kind}\" mount types")));
        }
        let source = match (kind, source) {
            ("image", Some(image)) if !image.is_empty() => {
                Source::Image { image: image.to_owned(), id: String::new(), layers: Vec::new() }
            }
            ("image", _) => return Err(Error::invalid("must set source and destination for image volume")),
            ("artifact", Some(artifact)) if !artifact.is_empty() => {
                Self::artifact(artifact, std::mem::take(&mut rest))?
            }
            ("artifact", _) => return Err(Error::invalid("must set source and destination for artifact volume")),
            ("bind", None | Some("")) => {
                return Err(Error::invalid("must set source for a bind mount: host directory cannot be empty"));
            }
            ("bind", Some(path)) if path.starts_with('/') => Source::Bind { path: path.to_owned() },
            ("bind", Some(path)) => Source::Bind { path: clean(&format!("{cwd}/{path}")) },
            ("volume", name) => Source::Volume { name: name.map(str::to_owned), subpath },
            ("tmpfs", None) => Source::Tmpfs,
            ("ramfs", None) => Source::Ramfs,
            ("devpts", None) => Source::Devpts,
            ("tmpfs" | "ramfs" | "devpts", Some(_)) => {
                let message = format!("\"source\" option not supported for \"{kind}\" mount types");
                return Err(Error::invalid(message));
            }
            ("glob", Some(pattern)) if pattern.starts_with('/') => Source::Glob { pattern: pattern.to_owned() },
            ("glob", Some(pattern)) if !pattern.is_empty() => Source::Glob { pattern: format!("{cwd}/{pattern}") },
            ("glob", _) => return Err(Error::invalid("must set source for a glob mount")),
            (other, _) => {
                return Err(Error::unsupported(format!("invalid filesystem type \"{other}\""))
                    .hint("artifact, bind, devpts, glob, image, ramfs, tmpfs and volume are known"));
            }
        };
        let mut mount = Self::new(source, if in_place { "/glob" } else { target })?;
        let is_image = matches!(mount.source, Source::Image { .. });
        mount.read_only = is_image || mount.is_artifact();
        for (key, value) in rest {
            if !mount.option(key, value)? {
                return Err(Error::invalid(format!("{}: invalid mount option", key.escape_debug())));
            }
        }
        if is_image {
            // What is written to it goes with the container.
            mount.overlay = !mount.read_only;
        }
        if in_place {
            mount.target.clear();
        }
        if mount.source == Source::Ramfs {
            mount.options.extend(["nosuid", "nodev"].map(str::to_owned));
        }
        if mount.source == Source::Tmpfs {
            mount.tmpfs_defaults();
        }
        Ok(mount)
    }

    /// Whether it shows files of an artifact, which nobody may write to.
    pub(crate) fn is_artifact(&self) -> bool {
        matches!(self.source, Source::Artifact { .. })
    }

    /// The source of a mount of `artifact` with the options that only those have.
    fn artifact(artifact: &str, options: Vec<(&str, Option<&str>)>) -> Result<Source, Error> {
        let (mut title, mut digest, mut name) = (None, None, None);
        for (key, value) in options {
            let place = match key {
                "title" => &mut title,
                "digest" => &mut digest,
                "name" => &mut name,
                _ => return Err(Error::invalid(format!("{}: invalid mount option", key.escape_debug()))),
            };
            let value = value.ok_or_else(|| Error::invalid(format!("{key} option must have a value")))?;
            *place = Some(value.to_owned()).filter(|value| !value.is_empty());
        }
        if title.is_some() && digest.is_some() {
            return Err(Error::invalid("cannot specify both digest and title"));
        }
        Ok(Source::Artifact { artifact: artifact.to_owned(), title, digest, name })
    }

    /// Parses `--tmpfs TARGET[:OPTIONS]`.
    pub(crate) fn parse_tmpfs(text: &str) -> Result<Self, Error> {
        let (target, options) = text.split_once(':').unwrap_or((text, ""));
        let mut mount = Self::new(Source::Tmpfs, target)?;
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').map_or((option, None), |(key, value)| (key, Some(value)));
            if !mount.option(key, value)? {
                return Err(Error::invalid(format!("unknown mount option {key:?}: invalid mount option")));
            }
        }
        mount.tmpfs_defaults();
        Ok(mount)
    }

    /// Reads the options of a volume's own mount (`volume create -o type=… -o o=…`), a tmpfs or a bind: what the mounts
    /// of the volume have beside their own.
    pub(crate) fn volume_options(kind: &str, text: &str) -> Result<Vec<String>, Error> {
        let tmpfs = kind == "tmpfs";
        let source = if tmpfs { Source::Tmpfs } else { Source::Bind { path: String::new() } };
        let mut mount = Self::new(source, "/volume")?;
        mount.shallow = !tmpfs;
        for option in text.split(',').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').map_or((option, None), |(key, value)| (key, Some(value)));
            match key {
                "O" | "U" | "chown" | "z" | "Z" | "relabel" | "idmap" | "copy" | "nocopy" | "volume-nocopy" => {
                    return Err(Error::invalid(format!("invalid mount option \"{key}\" for driver 'local'")));
                }
                "bind" | "rbind" if tmpfs => {
                    return Err(Error::invalid(format!("invalid mount option \"{key}\" of a tmpfs")));
                }
                _ if mount.option(key, value)? => {}
                _ => return Err(Error::invalid(format!("invalid mount option {key:?}"))),
            }
        }
        let mut options = mount.options;
        if mount.read_only {
            options.push("ro".to_owned());
        }
        if !tmpfs {
            options.push(if mount.shallow { "bind" } else { "rbind" }.to_owned());
        }
        Ok(options)
    }

    /// podman's defaults of a tmpfs: what is there is copied up, and it is nosuid, nodev, rprivate.
    fn tmpfs_defaults(&mut self) {
        let had = |options: &[String], names: [&str; 2]| options.iter().any(|option| names.contains(&option.as_str()));
        for names in [["nosuid", "suid"], ["nodev", "dev"]] {
            if !had(&self.options, names) {
                self.options.push(names[0].to_owned());
            }
        }
        if !had(&self.options, ["tmpcopyup", "notmpcopyup"]) {
            self.options.push("tmpcopyup".to_owned());
        }
        self.options.retain(|option| option != "notmpcopyup");
    }

    /// Adds an option for the kernel that is a number.
    fn number(&mut self, key: &str, value: Option<&str>, radix: u32) -> Result<(), Error> {
        let value = value.ok_or_else(|| Error::invalid(format!("{key} option must have a value")))?;
        if !value.bytes().all(|byte| byte.is_ascii_alphanumeric()) || u32::from_str_radix(value, radix).is_err() {
            return Err(Error::invalid(format!("invalid value for {key}")));
        }
        self.options.push(format!("{key}={value}"));
        Ok(())
    }

    /// Takes one option; `false` where there is none of that name.
    fn option(&mut self, key: &str, value: Option<&str>) -> Result<bool, Error> {
        let boolean = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(Error::invalid(format!("{key}: invalid boolean \"{other}\""))),
        };
        let tmpfs = self.source == Source::Tmpfs;
        match key {
            "ro" | "readonly" | "read-only" => self.read_only = boolean()?,
            "rw" | "readwrite" => self.read_only = !boolean()?,
            "O" => self.overlay = true,
            "U" | "chown" => self.chown = boolean()?,
            "copy" => self.copy_up = true,
            "nocopy" | "volume-nocopy" => self.copy_up = false,
            // SELinux is not on where dhow cannot tell; a label is asked for by name.
            "z" | "Z" | "relabel" => {}
            "idmap" => self.idmap = true,
            "bind" | "bind-nonrecursive" => self.shallow = true,
            "rbind" => self.shallow = false,
            "bind-propagation" => {
                let value = value.ok_or_else(|| Error::invalid("bind-propagation option must have a value"))?;
                return self.option(value, None);
            }
            "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" | "unbindable" | "runbindable" => {
                self.options.push(key.to_owned());
            }
            "exec" | "noexec" | "dev" | "nodev" | "suid" | "nosuid" | "atime" | "noatime" | "relatime"
            | "strictatime" | "nodiratime" | "diratime" | "sync" | "async" | "dirsync" => {
                self.options.push(key.to_owned())
            }
            // What is mounted below the source is read-only too.
            "rro" if !tmpfs => {
                self.read_only = true;
                self.options.push(key.to_owned());
            }
            "tmpcopyup" | "notmpcopyup" | "noswap" if tmpfs => self.options.push(key.to_owned()),
            "size" | "mode" | "uid" | "gid" | "nr_inodes" | "nr_blocks" | "huge" | "tmpfs-size" | "tmpfs-mode"
                if tmpfs =>
            {
                let value = value.ok_or_else(|| Error::invalid(format!("{key} option must have a value")))?;
                let key = key.strip_prefix("tmpfs-").unwrap_or(key);
                if value.contains(|c: char| c.is_control() || c == ',') {
                    return Err(Error::invalid(format!("invalid value for {key}")));
                }
                self.options.push(format!("{key}={value}"));
            }
            "mode" if self.source == Source::Ramfs => self.number(key, value, 8)?,
            "mode" if self.source == Source::Devpts => self.number(key, value, 8)?,
            "uid" | "gid" | "max" if self.source == Source::Devpts => self.number(key, value, 10)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Joins the components of an absolute path, without `.`, `..` and doubled slashes.
pub(crate) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_of_an_image_is_a_path_and_nothing_else() {
        for (text, target) in [
            ("/data", Some("/data")),
            ("/data/", Some("/data")),
            ("/srv/../data", Some("/data")),
            ("/process", Some("/process")),
            ("/etc:/mnt", None),
            ("/etc:/mnt:rw", None),
            ("/data:ro", None),
            ("name:/data", None),
            ("data", None),
            ("/", None),
            ("/dev", None),
            ("/dev/shm", None),
            ("/x/../proc/self", None),
            ("/sys/fs/cgroup", None),
            ("/a\nb", None),
            ("", None),
        ] {
            let mount = Mount::of_image(text);
            assert_eq!(mount.as_ref().map(|mount| mount.target.as_str()), target, "{text}");
            let is_volume = |mount: Mount| mount.source == Source::Volume { name: None, subpath: None };
            assert!(mount.is_none_or(is_volume), "{text}");
        }
    }

    #[test]
    fn volume_forms() {
        let cases: [(&str, Source, &str, bool); 7] = [
            ("/a:/b", Source::Bind { path: "/a".into() }, "/b", false),
            ("/a:/b:ro", Source::Bind { path: "/a".into() }, "/b", true),
            ("./x:/b/", Source::Bind { path: "/home/x".into() }, "/b", false),
            ("data:/b", Source::Volume { name: Some("data".into()), subpath: None }, "/b", false),
            ("data:/b:ro,noexec", Source::Volume { name: Some("data".into()), subpath: None }, "/b", true),
            ("/b", Source::Volume { name: None, subpath: None }, "/b", false),
            ("/b:ro", Source::Volume { name: None, subpath: None }, "/b", true),
        ];
        for (text, source, target, read_only) in cases {
            let mount = Mount::parse_volume(text, "/home").unwrap();
            assert_eq!((mount.source, mount.target.as_str(), mount.read_only), (source, target, read_only), "{text}");
        }
        for bad in ["a:b:c:d", ":/b", "/a:b", "x", "/a:/", "/a:/b:bogus", "/a:/b/..:ro"] {
            assert!(Mount::parse_volume(bad, "/").is_err(), "{bad}");
        }
    }

    #[test]
    fn mount_forms() {
        let mount = Mount::parse_mount("type=tmpfs,dst=/t,tmpfs-size=1m,ro=false", "/").unwrap();
        assert_eq!(mount.options, ["size=1m", "nosuid", "nodev", "tmpcopyup"]);
        let mount = Mount::parse_mount("type=bind,source=d,target=/t,readonly,bind-propagation=rslave", "/w").unwrap();
        assert_eq!((mount.source, mount.read_only), (Source::Bind { path: "/w/d".into() }, true));
        assert_eq!(mount.options, ["rslave"]);
        let mount = Mount::parse_mount("type=devpts,dst=/pts,uid=0,mode=0620,max=4", "/").unwrap();
        assert_eq!(
            (mount.source, mount.options),
            (Source::Devpts, vec!["uid=0".into(), "mode=0620".into(), "max=4".into()])
        );
        let glob = |text| Mount::parse_mount(text, "/w").map(|mount| (mount.source, mount.target));
        let pattern = |pattern: &str| Source::Glob { pattern: pattern.into() };
        assert_eq!(glob("type=glob,src=/a/*,dst=/b,ro").unwrap(), (pattern("/a/*"), "/b".into()));
        assert_eq!(glob("type=glob,src=a?").unwrap(), (pattern("/w/a?"), String::new()));
        let artifact = |text| Mount::parse_mount(text, "/w").map(|mount| (mount.source, mount.read_only));
        let source = |title: Option<&str>, name: Option<&str>| Source::Artifact {
            artifact: "a".into(),
            title: title.map(str::to_owned),
            digest: None,
            name: name.map(str::to_owned),
        };
        assert_eq!(artifact("type=artifact,src=a,dst=/t").unwrap(), (source(None, None), true));
        assert_eq!(
            artifact("type=artifact,src=a,dest=/t,title=x,name=y").unwrap(),
            (source(Some("x"), Some("y")), true)
        );
        for bad in [
            "type=artifact,dst=/t",
            "type=artifact,src=,dst=/t",
            "type=artifact,src=a,dst=/t,title",
            "type=artifact,src=a,dst=/t,title=x,digest=y",
            "type=artifact,src=a,dst=/t,rw",
            "type=bind,src=/a,dst=/t,title=x",
            "type=glob,dst=/t",
            "type=devpts,src=a,dst=/t",
            "type=devpts,dst=/t,mode=9",
            "type=ramfs,dst=/t,size=1m",
            "type=bind,dst=/t",
            "type=bogus,dst=/t",
            "src=a",
            "type=tmpfs,src=a,dst=/t",
            "type=bind,src=/a,dst=/t,size=1",
        ] {
            assert!(Mount::parse_mount(bad, "/").is_err(), "{bad}");
        }
    }

    #[test]
    fn volumes_have_options_of_their_own() {
        let options = |kind, text| Mount::volume_options(kind, text).map_err(|error| error.message);
        assert_eq!(options("tmpfs", "size=1m,mode=0700,noexec").unwrap(), ["size=1m", "mode=0700", "noexec"]);
        assert_eq!(options("tmpfs", "").unwrap(), [""; 0]);
        assert_eq!(options("none", "bind").unwrap(), ["bind"]);
        assert_eq!(options("bind", "rbind,ro,rslave").unwrap(), ["rslave", "ro", "rbind"]);
        for (kind, text) in [("none", "size=1m"), ("tmpfs", "bind"), ("tmpfs", "O"), ("tmpfs", "bogus"), ("bind", "U")]
        {
            assert!(options(kind, text).is_err(), "{kind} {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in ".{0,80}") {
            drop(Mount::volume_options("tmpfs", &text));
            drop(Mount::parse_volume(&text, "/"));
            drop(Mount::parse_mount(&text, "/"));
            drop(Mount::parse_tmpfs(&text));
            proptest::prop_assert!(!clean(&text).contains("/../"));
        }
    }
}
