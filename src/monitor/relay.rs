//! Carries what comes to a published port by loopback to the container: TCP by splice, datagrams by a shared buffer.
//!
//! It has an epoll set of its own, which the monitor's loop watches as one descriptor and then calls [`Relay::handle`].
//! Nothing is accepted before the container's address is known. Connections and flows are bounded; at the bound the
//! listeners are not watched, so that clients wait in the kernel's queue. Interest follows the state of each direction:
//! a source is read only while its pipe is empty, so that a slow reader holds its writer back.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, accept_with, connect, recv, recvfrom, send,
    sendto, shutdown, socket_with, sockopt,
};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};
use rustix::process::{Resource, getrlimit};

use super::port::Reserved;
use crate::model::port::Protocol;

/// Descriptors of a connection: two sockets, two pipes.
const DESCRIPTORS: u64 = 6;
/// Descriptors that are left to the rest of the monitor.
const OTHERS: u64 = 128;
const CONNECTIONS: usize = 512;
const FLOWS: usize = 64;
/// What one turn of one direction carries at most, and in how many steps.
const CHUNK: usize = 64 << 10;
const STEPS: usize = 16;

/// Tokens: listeners from 0, then connections (client even, server odd), then flows.
const CONNECTION: u64 = 1 << 32;
const FLOW: u64 = 1 << 33;

/// The relay of one container.
pub(crate) struct Relay {
    epoll: OwnedFd,
    listeners: Vec<Reserved>,
    listening: bool,
    targets: Vec<IpAddr>,
    connections: Vec<Option<Connection>>,
    bound: usize,
    live: usize,
    flows: Vec<Option<Flow>>,
    /// Counts datagrams, so that the flow that was silent longest can go.
    clock: u64,
    buffer: Vec<u8>,
    events: Vec<Event>,
}

/// One direction of a connection.
struct Direction {
    pipe: (OwnedFd, OwnedFd),
    held: usize,
    ended: bool,
    finished: bool,
}

struct Connection {
    client: OwnedFd,
    server: OwnedFd,
    connecting: bool,
    /// From client to server, and back.
    directions: [Direction; 2],
    watched: [EventFlags; 2],
}

/// Datagrams between one client and the container.
struct Flow {
    listener: usize,
    client: SocketAddr,
    socket: OwnedFd,
    used: u64,
}

impl Relay {
    /// Makes a relay that waits for [`Relay::open`].
    pub(crate) fn new(reserved: Vec<Reserved>) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let listeners: Vec<Reserved> = reserved;
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let spare = limit.saturating_sub(OTHERS + listeners.len() as u64 + FLOWS as u64) / DESCRIPTORS;
        Ok(Self {
            epoll,
            listeners,
            listening: false,
            targets: Vec::new(),
            connections: Vec::new(),
            bound: usize::try_from(spare).unwrap_or(CONNECTIONS).clamp(1, CONNECTIONS),
            live: 0,
            flows: Vec::new(),
            clock: 0,
            buffer: Vec::new(),
            events: Vec::with_capacity(32),
        })
    }

    /// Begins to accept, for a container that has `addresses`.
    pub(crate) fn open(&mut self, addresses: &[IpAddr]) -> io::Result<()> {
        self.targets = addresses.to_vec();
        self.listen(true)
    }

    /// Carries what can be carried; called when the relay's descriptor is readable. Errors concern single connections
    /// and end them; nothing here ends the relay.
    pub(crate) fn handle(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        if epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&now)).is_ok() {
            for event in &events {
                let token = event.data.u64();
                let index = |base: u64| usize::try_from(token - base).unwrap_or(usize::MAX);
                if token >= FLOW {
                    self.answer(index(FLOW));
                } else if token >= CONNECTION {
                    self.carry(index(CONNECTION) / 2);
                } else {
                    let at = index(0);
                    match self.listeners.get(at).map(|l| l.protocol) {
                        Some(Protocol::Tcp) => self.accept(at),
                        Some(Protocol::Udp) => self.forward(at),
                        _ => {}
                    }
                }
            }
        }
        self.events = events;
        if self.live < self.bound && !self.listening && self.listen(true).is_err() {
            // Tried again after the next event.
            self.listening = false;
        }
    }

    /// Whether anything is published.
    pub(crate) fn is_idle(&self) -> bool {
        self.listeners.is_empty()
    }

    /// Watches the listeners, or not; those of datagrams always.
    fn listen(&mut self, on: bool) -> io::Result<()> {
        for (token, listener) in (0..).zip(&self.listeners) {
            let data = EventData::new_u64(token);
            let changed = if on {
                epoll::add(&self.epoll, &listener.socket, data, EventFlags::IN)
            } else if listener.protocol == Protocol::Tcp {
                epoll::delete(&self.epoll, &listener.socket)
            } else {
                Ok(())
            };
            match changed {
                Ok(()) | Err(Errno::EXIST | Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        self.listening = on;
        Ok(())
    }

    /// The container's address for a client of this family.
    fn target(&self, listener: &Reserved) -> Option<SocketAddr> {
        let same = self.targets.iter().find(|ip| ip.is_ipv6() == listener.host.is_ipv6());
        same.or(self.targets.first()).map(|ip| SocketAddr::new(*ip, listener.container_port))
    }

    fn accept(&mut self, at: usize) {
        for _ in 0..STEPS {
            if self.live >= self.bound {
                // What cannot be unwatched is found full again by the next event.
                self.listen(false).ok();
                return;
            }
            let listener = &self.listeners[at];
            let client = match accept_with(&listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(client) => client,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    // No more than there are now, until one of them ends.
                    self.bound = self.live.max(1);
                    self.listen(false).ok();
                    return;
                }
                Err(_) => return,
            };
            let Some(target) = self.target(listener) else { return };
            match Connection::begin(client, target) {
                Ok(connection) => self.keep(connection),
                Err(client) => refuse(&client),
            }
        }
    }

    fn keep(&mut self, connection: Connection) {
        let free = self.connections.iter().position(Option::is_none).unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        self.connections[free] = Some(connection);
        self.live += 1;
        self.carry(free);
    }

    /// Moves a connection on and sets its interest anew.
    fn carry(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else { return };
        if connection.pump().is_ok() && connection.watch(&self.epoll, slot).is_ok() && !connection.is_done() {
            return;
        }
        if let Some(connection) = self.connections[slot].take() {
            self.live -= 1;
            if !connection.is_done() {
                refuse(&connection.client);
                refuse(&connection.server);
            }
        }
    }

    /// Carries datagrams of clients to the container.
    fn forward(&mut self, at: usize) {
        self.buffer.resize(CHUNK, 0);
        for _ in 0..STEPS {
            let listener = &self.listeners[at];
            let Ok((length, _, Some(from))) =
                recvfrom(&listener.socket, self.buffer.as_mut_slice(), RecvFlags::DONTWAIT)
            else {
                return;
            };
            let Ok(client) = SocketAddr::try_from(from) else { continue };
            let Some(target) = self.target(listener) else { return };
            let Some(slot) = self.flow(at, client, target) else { continue };
            if let Some(flow) = &self.flows[slot] {
                // A datagram that does not fit is lost, as on any link.
                send(&flow.socket, &self.buffer[..length], SendFlags::DONTWAIT).ok();
            }
        }
    }

    /// The flow of a client, made if need be in place of the one that was silent longest.
    fn flow(&mut self, listener: usize, client: SocketAddr, target: SocketAddr) -> Option<usize> {
        self.clock += 1;
        let clock = self.clock;
        let matches = |f: &Option<Flow>| f.as_ref().is_some_and(|f| f.listener == listener && f.client == client);
        if let Some(slot) = self.flows.iter().position(matches) {
            self.flows[slot].as_mut()?.used = clock;
            return Some(slot);
        }
        let family = if target.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let slot = if self.flows.len() < FLOWS {
            self.flows.push(None);
            self.flows.len() - 1
        } else {
            (0..FLOWS).min_by_key(|slot| self.flows[*slot].as_ref().map_or(0, |f| f.used))?
        };
        self.flows[slot] = None;
        let socket = socket_with(family, SocketType::DGRAM, flags, None).ok()?;
        connect(&socket, &target).ok()?;
        epoll::add(&self.epoll, &socket, EventData::new_u64(FLOW + slot as u64), EventFlags::IN).ok()?;
        self.flows[slot] = Some(Flow { listener, client, socket, used: clock });
        Some(slot)
    }

    /// Carries datagrams of the container back.
    fn answer(&mut self, slot: usize) {
        self.buffer.resize(CHUNK, 0);
        for _ in 0..STEPS {
            let Some(flow) = self.flows.get_mut(slot).and_then(Option::as_mut) else { return };
            match recv(&flow.socket, self.buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
                Ok((_, length)) => {
                    self.clock += 1;
                    flow.used = self.clock;
                    let socket = &self.listeners[flow.listener].socket;
                    sendto(socket, &self.buffer[..length], SendFlags::DONTWAIT, &flow.client).ok();
                }
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    // Nobody listens inside.
                    self.flows[slot] = None;
                    return;
                }
            }
        }
    }
}

impl AsFd for Relay {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// Ends a connection by a reset: the peer shall know that it was not carried to its end.
fn refuse(socket: &OwnedFd) {
    sockopt::set_socket_linger(socket, Some(Duration::ZERO)).ok();
}

impl Direction {
    fn new() -> io::Result<Self> {
        let pipe = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { pipe, held: 0, ended: false, finished: false })
    }

    /// Fills the pipe from `source` and empties it into `sink`, as far as both go.
    fn pump(&mut self, source: &OwnedFd, sink: &OwnedFd) -> Result<(), Errno> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        for _ in 0..STEPS {
            if self.held == 0 && !self.ended {
                match splice(source, None, &self.pipe.1, None, CHUNK, flags) {
                    Ok(0) => self.ended = true,
                    Ok(count) => self.held = count,
                    Err(Errno::AGAIN) => return Ok(()),
                    Err(errno) => return Err(errno),
                }
            }
            if self.held > 0 {
                match splice(&self.pipe.0, None, sink, None, self.held, flags) {
                    Ok(count) => self.held -= count,
                    Err(Errno::AGAIN) => return Ok(()),
                    Err(errno) => return Err(errno),
                }
            }
            if self.ended && self.held == 0 {
                if !self.finished {
                    self.finished = true;
                    match shutdown(sink, Shutdown::Write) {
                        Ok(()) | Err(Errno::NOTCONN) => {}
                        Err(errno) => return Err(errno),
                    }
                }
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Connection {
    /// Begins to connect `client` to the container; gives it back when that cannot be.
    fn begin(client: OwnedFd, target: SocketAddr) -> Result<Self, OwnedFd> {
        let family = if target.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let made = (|| -> io::Result<_> {
            let server = socket_with(family, SocketType::STREAM, flags, None)?;
            for socket in [&client, &server] {
                sockopt::set_tcp_nodelay(socket, true)?;
            }
            let connecting = match connect(&server, &target) {
                Ok(()) => false,
                Err(Errno::INPROGRESS) => true,
                Err(errno) => return Err(errno.into()),
            };
            Ok((server, connecting, [Direction::new()?, Direction::new()?]))
        })();
        match made {
            Ok((server, connecting, directions)) => {
                let watched = [EventFlags::empty(); 2];
                Ok(Self { client, server, connecting, directions, watched })
            }
            Err(_) => Err(client),
        }
    }

    fn is_done(&self) -> bool {
        self.directions.iter().all(|direction| direction.finished)
    }

    fn pump(&mut self) -> Result<(), Errno> {
        for socket in [&self.client, &self.server] {
            // A reset on one side resets the other.
            sockopt::socket_error(socket)??;
        }
        if self.connecting {
            match rustix::net::getpeername(&self.server) {
                Ok(_) => self.connecting = false,
                Err(Errno::NOTCONN) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
        self.directions[0].pump(&self.client, &self.server)?;
        self.directions[1].pump(&self.server, &self.client)
    }

    /// Watches both sockets for what the directions wait for. A socket that nothing is wanted of is not watched, or the
    /// end of its peer would be told again and again.
    fn watch(&mut self, epoll: &OwnedFd, slot: usize) -> Result<(), Errno> {
        let mut wanted = [EventFlags::empty(); 2];
        if self.connecting {
            wanted[1] = EventFlags::OUT;
        } else {
            for (way, direction) in self.directions.iter().enumerate() {
                if direction.held > 0 {
                    wanted[1 - way] |= EventFlags::OUT;
                } else if !direction.ended {
                    wanted[way] |= EventFlags::IN;
                }
            }
        }
        for (side, socket) in [&self.client, &self.server].into_iter().enumerate() {
            let data = EventData::new_u64(CONNECTION + 2 * slot as u64 + side as u64);
            match (self.watched[side].is_empty(), wanted[side].is_empty()) {
                _ if self.watched[side] == wanted[side] => {}
                (true, false) => epoll::add(epoll, socket, data, wanted[side])?,
                (false, true) => epoll::delete(epoll, socket)?,
                _ => epoll::modify(epoll, socket, data, wanted[side])?,
            }
            self.watched[side] = wanted[side];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;
    use crate::model::port::PortMapping;

    /// Runs `clients` against a relay of `specs` on 127.0.0.2 to servers on 127.0.0.1.
    fn with_relay(specs: &[String], clients: impl FnOnce() + Send) {
        let mappings: Vec<PortMapping> = specs.iter().map(|s| s.parse().unwrap()).collect();
        let mut relay = Relay::new(super::super::port::reserve(&mappings).unwrap()).unwrap();
        relay.open(&["127.0.0.1".parse().unwrap()]).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let clients = scope.spawn(|| {
                clients();
                done.store(true, Ordering::SeqCst);
            });
            while !clients.is_finished() {
                let tick = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
                let mut fds = [PollFd::new(&relay, PollFlags::IN)];
                if poll(&mut fds, Some(&tick)).unwrap() > 0 {
                    relay.handle();
                }
            }
        });
        for _ in 0..50 {
            relay.handle();
            if relay.live == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(relay.live, 0, "connections are freed");
        assert!(done.load(Ordering::SeqCst));
    }

    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn carries_bytes_both_ways_and_half_closes() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let (inside, outside) = (server.local_addr().unwrap().port(), free_port());
        std::thread::spawn(move || {
            for stream in server.incoming() {
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let mut all = Vec::new();
                    stream.read_to_end(&mut all).unwrap();
                    stream.write_all(&all).unwrap();
                });
            }
        });
        with_relay(&[format!("127.0.0.2:{outside}:{inside}")], || {
            std::thread::scope(|scope| {
                for n in 0..20u8 {
                    scope.spawn(move || {
                        let sent: Vec<u8> =
                            (0..3_000_000u32).map(|i| i.to_le_bytes()[usize::from(n % 3)] ^ n).collect();
                        let mut stream = TcpStream::connect(("127.0.0.2", outside)).unwrap();
                        stream.write_all(&sent).unwrap();
                        stream.shutdown(std::net::Shutdown::Write).unwrap();
                        let mut got = Vec::new();
                        stream.read_to_end(&mut got).unwrap();
                        assert!(got == sent);
                    });
                }
            });
        });
    }

    #[test]
    fn a_refused_connection_is_reset_and_a_vanished_client_is_freed() {
        let outside = free_port();
        let nobody = free_port();
        with_relay(&[format!("127.0.0.2:{outside}:{nobody}")], || {
            let mut stream = TcpStream::connect(("127.0.0.2", outside)).unwrap();
            assert!(stream.read(&mut [0; 8]).is_err());
        });
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let inside = server.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut streams = server.incoming();
            let mut stream = streams.next().unwrap().unwrap();
            // Writes until the client's end is felt.
            while stream.write_all(&[7; 65536]).is_ok() {}
        });
        let outside = free_port();
        with_relay(&[format!("127.0.0.2:{outside}:{inside}")], || {
            let mut stream = TcpStream::connect(("127.0.0.2", outside)).unwrap();
            stream.read_exact(&mut [0; 100_000]).unwrap();
        });
    }

    /// R36.
    #[test]
    fn carries_datagrams_of_more_clients_than_there_are_flows() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let inside = server.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = server.recv_from(&mut buffer) {
                server.send_to(&buffer[..length], from).unwrap();
            }
        });
        let outside = UdpSocket::bind("127.0.0.2:0").unwrap().local_addr().unwrap().port();
        with_relay(&[format!("127.0.0.2:{outside}:{inside}/udp")], || {
            for n in 0..FLOWS + 20 {
                let client = UdpSocket::bind("127.0.0.1:0").unwrap();
                client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                client.send_to(n.to_string().as_bytes(), ("127.0.0.2", outside)).unwrap();
                let mut buffer = [0; 64];
                let length = client.recv(&mut buffer).unwrap();
                assert_eq!(&buffer[..length], n.to_string().as_bytes());
            }
        });
    }
}
