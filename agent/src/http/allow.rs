//! Which targets an agent will talk to, whoever directs it: names, suffixes, addresses and networks, each with a port or without.
//!
//! Asked before a connection is opened, of the name as written and of every address it resolved to; redirects open connections too, so
//! they are asked like any other. A name may be allowed, but what it resolves to still must not be this host, a link's own addresses
//! (where clouds keep their metadata) or many hosts at once, unless a network that is listed has it: else whoever controls a name
//! server could point an allowed name there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One rule, as written with `--allow-target`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    host: Host,
    /// `None`: any.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Any,
    Name(String),
    /// With its leading dot.
    Suffix(String),
    Net(IpAddr, u8),
}

/// All rules of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets(Vec<Target>);

impl Targets {
    /// These; none allow nothing.
    #[must_use]
    pub fn new(rules: Vec<Target>) -> Self {
        Self(rules)
    }

    /// True if a connection to `ip`, which `host` (a name, or the address itself) resolved to, may be opened.
    #[must_use]
    pub fn allow(&self, host: &str, port: u16, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let mut rules = self.0.iter().filter(|rule| rule.is_for(port));
        rules.any(|rule| match &rule.host {
            Host::Net(net, bits) => contains(*net, *bits, ip),
            Host::Any => true,
            named => named.names(host) && (is_ordinary(ip) || is_local(host) && ip.is_loopback()),
        })
    }

    /// False if no address could make `host` allowed.
    #[must_use]
    pub fn may_allow(&self, host: &str, port: u16) -> bool {
        if let Ok(ip) = bare(host).parse() {
            return self.allow(host, port, ip);
        }
        let mut rules = self.0.iter().filter(|rule| rule.is_for(port));
        rules.any(|rule| matches!(rule.host, Host::Net(..)) || rule.host.names(host))
    }

    /// True if everything is allowed.
    #[must_use]
    pub fn is_any(&self) -> bool {
        let any = Target {
            host: Host::Any,
            port: None,
        };
        self.0.contains(&any)
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&rules.join(", "))
    }
}

impl Target {
    fn is_for(&self, port: u16) -> bool {
        self.port.is_none_or(|own| own == port)
    }
}

impl Host {
    fn names(&self, host: &str) -> bool {
        // `shop.test.` is `shop.test`, from the root.
        let host = host.trim_end_matches('.');
        match self {
            Self::Any => true,
            Self::Name(name) => name.eq_ignore_ascii_case(host),
            Self::Suffix(suffix) => {
                host.len() > suffix.len()
                    && host.is_char_boundary(host.len() - suffix.len())
                    && host[host.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
            }
            Self::Net(..) => false,
        }
    }
}

/// A URL's IPv6 addresses stand in brackets.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// An address that a name may lead to without being listed itself.
fn is_ordinary(ip: IpAddr) -> bool {
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
        && match ip {
            IpAddr::V4(ip) => !(ip.is_link_local() || ip.is_broadcast() || ip.octets()[0] == 0),
            IpAddr::V6(ip) => !ip.is_unicast_link_local(),
        }
}

fn contains(net: IpAddr, bits: u8, ip: IpAddr) -> bool {
    let same = |net: u128, ip: u128, width: u8| {
        let beyond = u32::from(width - bits.min(width));
        net.checked_shr(beyond).unwrap_or(0) == ip.checked_shr(beyond).unwrap_or(0)
    };
    match (net, ip) {
        (IpAddr::V4(net), IpAddr::V4(ip)) => same(
            net.to_bits().into(),
            ip.to_bits().into(),
            Ipv4Addr::BITS as u8,
        ),
        (IpAddr::V6(net), IpAddr::V6(ip)) => {
            same(net.to_bits(), ip.to_bits(), Ipv6Addr::BITS as u8)
        }
        _ => false,
    }
}

impl FromStr for Target {
    type Err = String;

    /// `any`, `HOST`, `*.SUFFIX`, `ADDRESS` or `ADDRESS/BITS`, each with `:PORT` or without; IPv6 in brackets where a port follows.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "`{text}` is no target ({why}); write e.g. `shop.test`, `shop.test:8080`, `*.shop.test`, `10.0.0.0/8`, `[fd00::/8]:443` or `any`"
            )
        };
        if text == "any" {
            return Ok(Self {
                host: Host::Any,
                port: None,
            });
        }
        if text.contains("://") {
            return Err(wrong("a target is no URL"));
        }
        let (host, port) = split(text).ok_or_else(|| wrong("its port is none"))?;
        let host = match host.split_once('/') {
            Some((address, bits)) => {
                let ip: IpAddr = address
                    .parse()
                    .map_err(|_| wrong("no address before the slash"))?;
                let most = if ip.is_ipv4() { 32 } else { 128 };
                let bits: u8 = bits
                    .parse()
                    .map_err(|_| wrong("no number after the slash"))?;
                if bits > most {
                    return Err(wrong("more bits than an address has"));
                }
                Host::Net(ip, bits)
            }
            None => match (host.parse::<IpAddr>(), host.strip_prefix('*')) {
                (Ok(ip), _) => Host::Net(ip, if ip.is_ipv4() { 32 } else { 128 }),
                (_, Some(suffix)) if suffix.starts_with('.') && is_name(&suffix[1..]) => {
                    Host::Suffix(suffix.to_owned())
                }
                (_, None) if is_name(host) => Host::Name(host.trim_end_matches('.').to_owned()),
                _ => return Err(wrong("neither a name nor an address")),
            },
        };
        Ok(Self { host, port })
    }
}

fn is_name(text: &str) -> bool {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && !text.starts_with('.') && text.chars().all(fit)
}

/// Host (without brackets) and port; `None` if the port is no number.
fn split(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest.split_once(']')?;
        return match tail.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => tail.is_empty().then_some((host, None)),
        };
    }
    match text.split_once(':') {
        // More than one colon: an IPv6 address by itself.
        Some((_, tail)) if tail.contains(':') => Some((text, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((text, None)),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Any => f.write_str("any")?,
            Host::Name(name) => f.write_str(name)?,
            Host::Suffix(suffix) => write!(f, "*{suffix}")?,
            Host::Net(IpAddr::V6(ip), bits) => write!(f, "[{ip}/{bits}]")?,
            Host::Net(IpAddr::V4(ip), bits) => write!(f, "{ip}/{bits}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn targets(rules: &[&str]) -> Targets {
        Targets::new(rules.iter().map(|rule| rule.parse().unwrap()).collect())
    }

    #[test]
    fn names_suffixes_networks_and_ports() {
        let table: [(&[&str], &str, u16, &str, bool); 24] = [
            (&["shop.test"], "shop.test", 80, "10.0.0.1", true),
            (&["shop.test"], "SHOP.test.", 80, "10.0.0.1", true),
            (&["shop.test:8080"], "shop.test", 80, "10.0.0.1", false),
            (&["shop.test:8080"], "shop.test", 8080, "10.0.0.1", true),
            (&["shop.test"], "shop.test.evil.test", 80, "10.0.0.1", false),
            (&["shop.test"], "xshop.test", 80, "10.0.0.1", false),
            (&["*.shop.test"], "api.shop.test", 80, "10.0.0.1", true),
            (&["*.shop.test"], "shop.test", 80, "10.0.0.1", false),
            (&["*.shop.test"], "xshop.test", 80, "10.0.0.1", false),
            (&["10.1.0.0/16"], "x.test", 80, "10.1.2.3", true),
            (&["10.1.0.0/16"], "10.2.0.1", 80, "10.2.0.1", false),
            (&["10.1.0.0/16:443"], "10.1.0.1", 80, "10.1.0.1", false),
            (&["10.1.2.3"], "10.1.2.3", 80, "10.1.2.3", true),
            (&["0.0.0.0/0"], "x.test", 80, "127.0.0.1", true),
            (&["fd00::/8"], "[fd12::1]", 80, "fd12::1", true),
            (&["[fd00::/8]:443"], "[fd12::1]", 80, "fd12::1", false),
            (&["10.0.0.0/8"], "x.test", 80, "::ffff:10.1.1.1", true),
            // A name that turns to where it should not.
            (&["shop.test"], "shop.test", 80, "127.0.0.1", false),
            (&["shop.test"], "shop.test", 80, "169.254.169.254", false),
            (
                &["shop.test"],
                "shop.test",
                80,
                "::ffff:169.254.169.254",
                false,
            ),
            (&["*.shop.test"], "a.shop.test", 80, "fe80::1", false),
            (
                &["shop.test", "127.0.0.0/8"],
                "shop.test",
                80,
                "127.0.0.1",
                true,
            ),
            (&["localhost"], "localhost", 80, "127.0.0.1", true),
            (&["any"], "x.test", 1, "127.0.0.1", true),
        ];
        for (rules, host, port, ip, wanted) in table {
            let ip = ip.parse().unwrap();
            assert_eq!(
                targets(rules).allow(host, port, ip),
                wanted,
                "{rules:?} {host}:{port} at {ip}"
            );
        }
        assert!(!targets(&[]).allow("a", 80, "10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_can_be_said_before_resolving() {
        let rules = targets(&["shop.test", "10.0.0.0/8:80"]);
        assert!(rules.may_allow("shop.test", 443));
        assert!(
            rules.may_allow("other.test", 80),
            "it may resolve into the network"
        );
        assert!(!rules.may_allow("other.test", 443));
        assert!(rules.may_allow("10.0.0.1", 80));
        assert!(!rules.may_allow("192.168.0.1", 80));
        assert!(!rules.may_allow("[::1]", 80));
    }

    #[test]
    fn rules_come_back_as_written_and_nonsense_is_told() {
        for text in [
            "shop.test",
            "shop.test:80",
            "*.a.test:1",
            "10.0.0.0/8",
            "[fd00::/8]:443",
            "any",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        assert_eq!("::1".parse::<Target>().unwrap().to_string(), "[::1/128]");
        for text in [
            "",
            "*",
            "*shop.test",
            "http://shop.test",
            "a:b",
            "10.0.0.0/33",
            "x/8",
            "[::1",
            "a b",
            ".a",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
