//! What is the same for many requests: their origin and the user's own dimensions.
//!
//! A ledger row names its attributes by one number; the meter's labels and every report's groups come from here.

use super::{Mode, ServiceTier};

/// Where a request came from and went to. Empty text where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Configured name of the source.
    pub gateway: String,
    /// Route of the gateway.
    pub route: String,
    /// Provider, after aliases.
    pub provider: String,
    /// Model.
    pub model: String,
    /// API key's owner or application; a hash where it looked like a key or an address.
    pub consumer: String,
    /// Upstream account or cluster.
    pub upstream: String,
    /// Streamed or not.
    pub mode: Mode,
    /// Tier of service.
    pub service_tier: ServiceTier,
    /// Dimension name and value, in the order of the configuration; empty values are left out.
    pub dimensions: Vec<(String, String)>,
}

/// The field separator of [`Attributes::pack`]: a byte that no UTF-8 text holds.
const SEPARATOR: u8 = 0xff;

impl Attributes {
    /// Appends a form that is equal exactly for equal attributes.
    ///
    /// It takes borrowed parts, so that a line's attributes can be looked up without building them.
    pub fn pack<'a>(
        into: &mut Vec<u8>,
        fields: [&str; 6],
        mode: Mode,
        service_tier: ServiceTier,
        dimensions: impl Iterator<Item = (&'a str, &'a str)>,
    ) {
        into.push(mode as u8);
        into.push(service_tier as u8);
        for field in fields {
            into.extend_from_slice(field.as_bytes());
            into.push(SEPARATOR);
        }
        for (name, value) in dimensions.filter(|(_, value)| !value.is_empty()) {
            into.extend_from_slice(name.as_bytes());
            into.push(SEPARATOR);
            into.extend_from_slice(value.as_bytes());
            into.push(SEPARATOR);
        }
    }

    /// The inverse of [`Attributes::pack`]; what is missing or unreadable becomes empty.
    #[must_use]
    pub fn unpack(packed: &[u8]) -> Attributes {
        let (codes, text) = packed.split_at_checked(2).unwrap_or_default();
        let code = |index: usize| usize::from(codes.get(index).copied().unwrap_or(0));
        let mut fields = text.split(|byte| *byte == SEPARATOR).map(|field| String::from_utf8_lossy(field).into_owned());
        let mut next = || fields.next().unwrap_or_default();
        let mut attributes = Attributes {
            gateway: next(),
            route: next(),
            provider: next(),
            model: next(),
            consumer: next(),
            upstream: next(),
            mode: Mode::ALL.get(code(0)).copied().unwrap_or_default(),
            service_tier: ServiceTier::ALL.get(code(1)).copied().unwrap_or_default(),
            dimensions: Vec::new(),
        };
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            attributes.dimensions.push((name, value));
        }
        attributes
    }

    /// The packed form of these attributes.
    #[must_use]
    pub fn packed(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        Attributes::pack(
            &mut bytes,
            [&self.gateway, &self.route, &self.provider, &self.model, &self.consumer, &self.upstream],
            self.mode,
            self.service_tier,
            self.dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str())),
        );
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_loses_nothing() {
        let full = Attributes {
            gateway: "higress".into(),
            route: "r".into(),
            model: "gpt-4o".into(),
            consumer: "c".into(),
            mode: Mode::Stream,
            service_tier: ServiceTier::Flex,
            dimensions: vec![("agent".into(), "main".into()), ("team".into(), "销售".into())],
            ..Attributes::default()
        };
        for attributes in [full, Attributes::default()] {
            assert_eq!(Attributes::unpack(&attributes.packed()), attributes);
        }
        assert_eq!(Attributes::unpack(&[]), Attributes::default());
    }
}
