//! The floor: a bare, paced client on epoll, one thread, no runtime, no TLS, no checks, nothing recorded. What a request
//! costs here is what the kernel asks for it, and a little more.
//!
//! Paced as the cheapest client would be: it wakes every millisecond (or when an answer comes) and begins all that is due.
#![expect(unsafe_code, reason = "libc calls for epoll")]

use super::clock::now;
use super::work::Visit;
use super::{Done, Load};
use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

/// Bytes of an answer's buffer; also the largest answer it can take.
const BUFFER: usize = 256 * 1024;

struct Connection {
    stream: TcpStream,
    visit: Visit,
    request: Vec<u8>,
    answer: Vec<u8>,
    /// Bytes of `answer` that are filled.
    have: usize,
}

/// Runs until the time is over.
pub(crate) fn run(load: &Load) -> io::Result<Done> {
    let epoll = Epoll::new()?;
    let mut connections = Vec::new();
    for id in 0..load.connections {
        let stream = TcpStream::connect(("127.0.0.1", load.port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll.add(&stream, id)?;
        connections.push(Connection {
            stream,
            visit: Visit::new(u64::from(id) + 1),
            request: Vec::new(),
            answer: vec![0; BUFFER],
            have: 0,
        });
    }
    let mut idle: VecDeque<u32> = (0..load.connections).collect();
    let mut done = Done::default();
    let (began, mut begun) = (now(), 0_u64);
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
    loop {
        let elapsed = now().duration_since(began);
        if elapsed >= load.time() {
            return Ok(done);
        }
        let due = (elapsed.as_nanos() * u128::from(load.rate) / 1_000_000_000) as u64;
        let late_from = (elapsed.saturating_sub(Duration::from_millis(2)).as_nanos()
            * u128::from(load.rate)
            / 1_000_000_000) as u64;
        while begun < due {
            let Some(id) = idle.pop_front() else { break };
            let connection = &mut connections[id as usize];
            connection
                .visit
                .request(load.work, &load.path, &mut connection.request);
            // A request is smaller than an empty socket's buffer: it goes whole or the connection is broken.
            connection.stream.write_all(&connection.request)?;
            done.late += u64::from(begun < late_from);
            begun += 1;
        }
        for event in epoll.wait(&mut events, 1)? {
            let id = u32::try_from(event.u64).map_err(io::Error::other)?;
            let connection = &mut connections[id as usize];
            let bytes = match connection
                .stream
                .read(&mut connection.answer[connection.have..])
            {
                Ok(0) => return Err(io::Error::other("the server closed a connection")),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            connection.have += bytes;
            if let Some((ok, body)) = whole(&connection.answer[..connection.have])? {
                let body = std::str::from_utf8(body).map_err(io::Error::other)?;
                match connection.visit.answer(load.work, ok, body) {
                    true => done.requests += 1,
                    false => done.errors += 1,
                }
                connection.have = 0;
                idle.push_back(id);
            }
        }
    }
}

/// Whether an answer is a 200, and its body, once it is whole. Only answers with a Content-Length are understood.
fn whole(bytes: &[u8]) -> io::Result<Option<(bool, &[u8])>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, body) = (&bytes[..end], &bytes[end + 4..]);
    let length = head.split(|&byte| byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(15)?;
        name.eq_ignore_ascii_case(b"content-length:").then(|| {
            std::str::from_utf8(value)
                .ok()?
                .trim()
                .parse::<usize>()
                .ok()
        })?
    });
    let length = length.ok_or_else(|| {
        io::Error::other(format!(
            "an answer without a Content-Length: {}",
            text(head)
        ))
    })?;
    if length + end + 4 > BUFFER {
        return Err(io::Error::other(format!(
            "an answer of {length} bytes; at most {BUFFER} are taken"
        )));
    }
    Ok((body.len() >= length).then(|| (head.starts_with(b"HTTP/1.1 200"), &body[..length])))
}

struct Epoll(std::os::fd::OwnedFd);

impl Epoll {
    fn new() -> io::Result<Self> {
        use std::os::fd::FromRawFd as _;
        // SAFETY: the call has no preconditions; its result is an open descriptor that nobody else owns, or negative.
        unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 {
                Err(io::Error::last_os_error())
            } else {
                Ok(Self(std::os::fd::OwnedFd::from_raw_fd(fd)))
            }
        }
    }

    fn add(&self, stream: &TcpStream, id: u32) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLET) as u32,
            u64: id.into(),
        };
        // SAFETY: both descriptors are open, the event lives through the call.
        let result = unsafe {
            libc::epoll_ctl(
                self.0.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                stream.as_raw_fd(),
                &raw mut event,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn wait<'a>(
        &self,
        events: &'a mut [libc::epoll_event],
        milliseconds: i32,
    ) -> io::Result<&'a [libc::epoll_event]> {
        let most = i32::try_from(events.len()).unwrap_or(i32::MAX);
        // SAFETY: the buffer has room for `most` events.
        let count = unsafe {
            libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), most, milliseconds)
        };
        match usize::try_from(count) {
            Ok(count) => Ok(&events[..count]),
            Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => Ok(&[]),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn an_answer_is_whole_when_its_length_says_so() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        for cut in 0..answer.len() {
            assert!(matches!(whole(&answer[..cut]), Ok(None)), "{cut}");
        }
        assert!(matches!(whole(answer), Ok(Some((true, b"abc")))));
        assert!(matches!(
            whole(b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"),
            Ok(Some((false, b"")))
        ));
        assert!(whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
