//! Links, addresses and routes over rtnetlink: the one async file here. It builds a runtime of the current thread, blocks
//! on it and returns plain values. Requests that do not wait for each other's answers are sent together.
//!
//! The host's side of a pair is born in its bridge, the other side in the container's namespace, so that there is never
//! a link that belongs to nobody. Its name begins with the container's id and its alias is `dhow:ID`.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use futures_util::future::{join_all, try_join, try_join_all};
use ipnetwork::IpNetwork;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressScope};
use rtnetlink::packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind,
    InfoVeth, LinkAttribute, LinkInfo, LinkMessage, State,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute};
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use tokio::runtime::Runtime;

use super::{netns, sysctl};

/// A hardware address.
pub(crate) type Mac = [u8; 6];

/// A link as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) alias: String,
    pub(crate) mtu: u32,
    pub(crate) mac: Mac,
    pub(crate) master: Option<u32>,
    pub(crate) bridge: bool,
    pub(crate) veth: bool,
    /// It carries packets.
    pub(crate) running: bool,
}

/// The bridge of a network.
pub(crate) struct Bridge<'a> {
    pub(crate) name: &'a str,
    pub(crate) alias: &'a str,
    pub(crate) mac: Mac,
    /// All links of the network have this number, so that they can go together.
    pub(crate) group: u32,
    /// None: that of the default route.
    pub(crate) mtu: Option<u32>,
    pub(crate) addresses: &'a [IpNetwork],
}

/// A pair of links between a bridge and a container.
pub(crate) struct Pair<'a> {
    pub(crate) host: &'a str,
    pub(crate) alias: &'a str,
    pub(crate) bridge: &'a Link,
    pub(crate) group: u32,
    pub(crate) inside: &'a str,
    pub(crate) mac: Mac,
    pub(crate) addresses: &'a [IpNetwork],
    /// The gateways of the default routes.
    pub(crate) gateways: &'a [IpAddr],
}

/// A connection to the links of the namespace that it was opened in.
pub(crate) struct Links {
    runtime: Runtime,
    handle: Handle,
}

/// A connection to the links of a container, driven by the runtime of [`Links`].
pub(crate) struct Inside {
    handle: Handle,
    changes: Changes,
}

fn os_error(error: rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other.to_string()),
    }
}

/// Success where the object was there already.
fn or_exists(result: Result<(), rtnetlink::Error>) -> io::Result<()> {
    match result.map_err(os_error) {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        other => other,
    }
}

/// Keeps the kernel from giving the link an IPv6 address by itself.
fn no_own_ipv6() -> LinkAttribute {
    LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)])])
}

/// Hairpin lets a container reach its own published port where br_netfilter translates on the bridge.
fn as_port(link: LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec> {
    link.set_port_kind(InfoPortKind::Bridge)
        .set_port_data(InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(true)]))
}

fn parse(message: LinkMessage) -> Link {
    let mut link = Link { index: message.header.index, ..Link::default() };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::IfAlias(alias) => link.alias = alias,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Address(mac) => link.mac = mac.try_into().unwrap_or_default(),
            LinkAttribute::Controller(index) => link.master = Some(index),
            LinkAttribute::OperState(state) => link.running = state == State::Up,
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    match info {
                        LinkInfo::Kind(InfoKind::Bridge) => link.bridge = true,
                        LinkInfo::Kind(InfoKind::Veth) => link.veth = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    link
}

async fn find(handle: &Handle, name: &str) -> io::Result<Option<Link>> {
    match handle.link().get().match_name(name).execute().try_next().await.map_err(os_error) {
        Ok(found) => Ok(found.map(parse)),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the kernel tells of changes to links, in the namespace of the thread that opened it.
struct Changes {
    socket: OwnedFd,
}

impl Changes {
    fn open() -> io::Result<Self> {
        const RTMGRP_LINK: u32 = 1;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, RTMGRP_LINK))?;
        Ok(Self { socket })
    }

    /// Waits until something changed since the last call, until `deadline` at most. Whether it did.
    fn next(&self, deadline: Instant) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
        let changed = match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&left)) {
            Ok(count) => count > 0,
            Err(rustix::io::Errno::INTR) => true,
            Err(error) => return Err(error.into()),
        };
        // What changed does not matter: whoever waits looks again. A message too long for the buffer, or messages that
        // were lost, are news too.
        let mut buffer = [0; 64];
        while matches!(
            recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()),
            Ok(1..) | Err(nix::Error::ENOBUFS | nix::Error::EINTR)
        ) {}
        Ok(changed)
    }
}

/// Whether there is a link called `name`. Does not wait for whoever changes links, as a question over netlink does.
pub(crate) fn exists(name: &str) -> bool {
    nix::net::if_::if_nametoindex(name).is_ok()
}

/// Waits until none of the links called `names` is there, for `patience` at most.
pub(crate) fn wait_gone(names: &[&str], patience: Duration) -> io::Result<()> {
    let left = || names.iter().any(|name| exists(name));
    if !left() {
        return Ok(());
    }
    let changes = Changes::open()?;
    let deadline = Instant::now() + patience;
    while left() && changes.next(deadline)? {}
    Ok(())
}

/// How long a pair may take until it carries packets. One that never does is still made.
const COMING_UP: Duration = Duration::from_millis(100);

/// Waits until the link carries packets: the kernel tells bridge and queue so by a work item, and what is sent before is
/// lost, which costs the first connection a second. Asking runs that work at once (Linux 6.8); before, it is told.
/// `changes` was opened in the link's namespace before the link came up.
async fn wait_running(handle: &Handle, name: &str, changes: &Changes) -> io::Result<()> {
    let deadline = Instant::now() + COMING_UP;
    // Nothing else happens on this thread: it may block.
    while find(handle, name).await?.is_some_and(|link| !link.running) && changes.next(deadline)? {}
    Ok(())
}

/// The MTU of the link that the default route goes through.
async fn default_mtu(handle: &Handle) -> Option<u32> {
    // Any address outside will do; nothing is sent.
    let route =
        RouteMessageBuilder::<IpAddr>::new().destination_prefix(IpAddr::from([203, 0, 113, 1]), 32).ok()?.build();
    let found = handle.route().get(route).execute().try_next().await.ok()??;
    let index = found.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })?;
    let link = handle.link().get().match_index(index).execute().try_next().await.ok()??;
    Some(parse(link).mtu).filter(|mtu| (1280..65536).contains(mtu))
}

async fn add_address(handle: &Handle, index: u32, address: IpNetwork) -> io::Result<()> {
    let mut request = handle.address().add(index, address.ip(), address.prefix());
    if address.is_ipv6() {
        // We gave it out, so nobody else has it; without this it cannot be used for a second.
        request.message_mut().attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    or_exists(request.execute().await)
}

impl Links {
    /// Opens a connection in the namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let handle = {
            let _entered = runtime.enter();
            let (connection, handle, _) = rtnetlink::new_connection()?;
            runtime.spawn(connection);
            handle
        };
        Ok(Self { runtime, handle })
    }

    /// Opens a connection inside `namespace` and prepares it for links to come: no router advertisements, no duplicate
    /// address detection, and no IPv6 at all where `ipv6` is false.
    pub(crate) fn enter(&self, namespace: BorrowedFd<'_>, ipv6: bool) -> io::Result<Inside> {
        let runtime = self.runtime.handle();
        let (connection, handle, changes) = netns::within(namespace, move || -> io::Result<_> {
            sysctl::quiet_ipv6("default", ipv6)?;
            let _entered = runtime.enter();
            let (connection, handle, _) = rtnetlink::new_connection()?;
            Ok((connection, handle, Changes::open()?))
        })??;
        self.runtime.spawn(connection);
        Ok(Inside { handle, changes })
    }

    /// Looks for the link called `name`.
    pub(crate) fn find(&self, name: &str) -> io::Result<Option<Link>> {
        self.runtime.block_on(find(&self.handle, name))
    }

    /// Lists all links.
    pub(crate) fn list(&self) -> io::Result<Vec<Link>> {
        self.runtime.block_on(self.handle.link().get().execute().map_ok(parse).try_collect()).map_err(os_error)
    }

    /// The links inside `namespace`, but for the loopback, with their addresses of global scope.
    pub(crate) fn addresses(&self, namespace: BorrowedFd<'_>) -> io::Result<Vec<(String, Mac, Vec<IpNetwork>)>> {
        let runtime = self.runtime.handle();
        let (connection, handle) = netns::within(namespace, move || -> io::Result<_> {
            let _entered = runtime.enter();
            let (connection, handle, _) = rtnetlink::new_connection()?;
            Ok((connection, handle))
        })??;
        self.runtime.spawn(connection);
        self.runtime.block_on(async {
            let links: Vec<Link> = handle.link().get().execute().map_ok(parse).try_collect().await.map_err(os_error)?;
            let addresses: Vec<_> = handle.address().get().execute().try_collect().await.map_err(os_error)?;
            let of = |index| {
                let global =
                    addresses.iter().filter(|a| a.header.index == index && a.header.scope == AddressScope::Universe);
                global
                    .filter_map(|a| {
                        let ip = a.attributes.iter().find_map(|attribute| match attribute {
                            AddressAttribute::Address(ip) => Some(*ip),
                            _ => None,
                        })?;
                        IpNetwork::new(ip, a.header.prefix_len).ok()
                    })
                    .collect()
            };
            Ok(links.into_iter().filter(|l| l.name != "lo").map(|l| (l.name, l.mac, of(l.index))).collect())
        })
    }

    /// The destinations of all routes, default routes left out.
    pub(crate) fn destinations(&self) -> io::Result<Vec<IpNetwork>> {
        self.runtime.block_on(async {
            let (v4, v6) =
                (RouteMessageBuilder::<std::net::Ipv4Addr>::new(), RouteMessageBuilder::<std::net::Ipv6Addr>::new());
            let mut found = Vec::new();
            for route in [v4.build(), v6.build()] {
                let mut answers = self.handle.route().get(route).execute();
                while let Some(route) = answers.try_next().await.map_err(os_error)? {
                    let prefix = route.header.destination_prefix_length;
                    found.extend(route.attributes.iter().find_map(|attribute| match attribute {
                        RouteAttribute::Destination(RouteAddress::Inet(ip)) => {
                            IpNetwork::new((*ip).into(), prefix).ok()
                        }
                        RouteAttribute::Destination(RouteAddress::Inet6(ip)) => {
                            IpNetwork::new((*ip).into(), prefix).ok()
                        }
                        _ => None,
                    }));
                }
            }
            Ok(found)
        })
    }

    /// Makes the bridge if it is missing and gives it what is missing. Whether it was not complete.
    pub(crate) fn ensure_bridge(&self, bridge: &Bridge<'_>) -> io::Result<(Link, bool)> {
        self.runtime.block_on(async {
            if let Some(link) = find(&self.handle, bridge.name).await? {
                if link.bridge && link.alias == bridge.alias {
                    return Ok((link, false));
                }
                // One with our address and no alias is ours, its maker was killed on the way; it is finished below.
                if !link.bridge || !link.alias.is_empty() || link.mac != bridge.mac {
                    return Err(io::Error::from_raw_os_error(libc::EEXIST));
                }
            } else {
                let mtu = match bridge.mtu {
                    None => default_mtu(&self.handle).await,
                    mtu => mtu,
                };
                let mut message = LinkBridge::new(bridge.name).address(bridge.mac.to_vec()).link_group(bridge.group);
                if let Some(mtu) = mtu {
                    message = message.mtu(mtu);
                }
                or_exists(self.handle.link().add(message.build()).execute().await)?;
            }
            let Some(mut link) = find(&self.handle, bridge.name).await? else {
                return Err(io::Error::from_raw_os_error(libc::ENODEV));
            };
            let ipv6 = bridge.addresses.iter().any(IpNetwork::is_ipv6);
            sysctl::quiet_ipv6(bridge.name, ipv6)?;
            try_join_all(bridge.addresses.iter().map(|address| add_address(&self.handle, link.index, *address)))
                .await?;
            // The alias comes with the last step: a bridge that has one is complete. A bridge with IPv6 needs its
            // link-local address: neighbours of forwarded packets are asked for from there.
            let mut finish = LinkUnspec::new_with_index(link.index).up().alias(bridge.alias);
            if !ipv6 {
                finish = finish.append_extra_attribute(no_own_ipv6());
            }
            let finish = finish.build();
            self.handle.link().set(finish).execute().await.map_err(os_error)?;
            bridge.alias.clone_into(&mut link.alias);
            Ok((link, true))
        })
    }

    /// Puts the links called `names` into `bridge` again, as [`Links::connect`] made them; one that is gone is passed over.
    pub(crate) fn rejoin(&self, names: &[&str], bridge: &Link) -> io::Result<()> {
        for name in names {
            let join = LinkUnspec::new_with_name(name).controller(bridge.index).build();
            let port = as_port(LinkUnspec::new_with_name(name)).build();
            let done = self.runtime.block_on(async {
                self.handle.link().set(join).execute().await?;
                self.handle.link().set_port(port).execute().await
            });
            match done.map_err(os_error) {
                Err(error) if error.raw_os_error() != Some(libc::ENODEV) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the pair, its addresses and its routes, and brings it up.
    pub(crate) fn connect(&self, inside: &Inside, namespace: BorrowedFd<'_>, pair: &Pair<'_>) -> io::Result<()> {
        let peer = LinkMessageBuilder::<LinkUnspec>::new()
            .name(pair.inside)
            .mtu(pair.bridge.mtu)
            .address(pair.mac.to_vec())
            .setns_by_fd(namespace.as_raw_fd())
            .build();
        let message = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(pair.host)
            .mtu(pair.bridge.mtu)
            .controller(pair.bridge.index)
            .link_group(pair.group)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .build();
        // The kernel opens devices before it joins the pair: creating them up is ENOTCONN.
        let up = LinkUnspec::new_with_name(pair.host).up().append_extra_attribute(no_own_ipv6()).alias(pair.alias);
        let up = as_port(up).build();
        let loopback = LinkUnspec::new_with_index(1).up().build();
        let changes = Changes::open()?;
        self.runtime.block_on(async {
            let host = async {
                // Sent together: the second needs the first to be done, not to be answered.
                let (made, up) = futures_util::future::join(
                    self.handle.link().add(message).execute(),
                    self.handle.link().set_port(up).execute(),
                )
                .await;
                made.and(up).map_err(os_error)
            };
            let own = async { inside.handle.link().set(loopback).execute().await.map_err(os_error) };
            try_join(host, own).await?;
            let Some(link) = find(&inside.handle, pair.inside).await? else {
                return Err(io::Error::from_raw_os_error(libc::ENODEV));
            };
            let up = LinkUnspec::new_with_index(link.index).up().build();
            let up = async { inside.handle.link().set(up).execute().await.map_err(os_error) };
            let addresses = join_all(pair.addresses.iter().map(|a| add_address(&inside.handle, link.index, *a)));
            let routes = join_all(pair.gateways.iter().map(|gateway| async {
                let route = match gateway {
                    IpAddr::V4(ip) => RouteMessageBuilder::<std::net::Ipv4Addr>::new()
                        .gateway(*ip)
                        .output_interface(link.index)
                        .build(),
                    IpAddr::V6(ip) => RouteMessageBuilder::<std::net::Ipv6Addr>::new()
                        .gateway(*ip)
                        .output_interface(link.index)
                        .build(),
                };
                or_exists(inside.handle.route().add(route).execute().await)
            }));
            let (up, addresses, routes) = futures_util::future::join3(up, addresses, routes).await;
            up?;
            addresses.into_iter().chain(routes).collect::<io::Result<()>>()?;
            wait_running(&self.handle, pair.host, &changes).await?;
            wait_running(&inside.handle, pair.inside, &inside.changes).await
        })
    }

    /// Removes all links of a group at once: the kernel waits for its readers once, not for each of them.
    pub(crate) fn remove_group(&self, group: u32) -> io::Result<()> {
        let message = LinkMessageBuilder::<LinkUnspec>::new().link_group(group).build();
        let removed = self.runtime.block_on(self.handle.link().del_with_message(message).execute());
        match removed.map_err(os_error) {
            Err(error) if error.raw_os_error() != Some(libc::ENODEV) => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes the links called `names`; one that is gone is success.
    pub(crate) fn remove(&self, names: &[&str]) -> io::Result<()> {
        self.runtime.block_on(async {
            let removed = join_all(names.iter().map(|name| {
                let message = LinkUnspec::new_with_name(name).build();
                self.handle.link().del_with_message(message).execute()
            }))
            .await;
            for result in removed {
                match result.map_err(os_error) {
                    Err(error) if error.raw_os_error() != Some(libc::ENODEV) => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        })
    }
}
