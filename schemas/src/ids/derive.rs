//! Ids that follow from what they name, so that a replay derives the same ones.

use uuid::Uuid;

/// Root of this product's name-based UUIDs: UUID v5 of the DNS name `oddsmill.invalid`.
const ROOT: Uuid = Uuid::from_u128(0x5199834e_04a65b3d_af5d070b_0aa15532);

/// A family of name-based UUIDs. Making one hashes its name; keep it where ids are many.
#[derive(Debug, Clone, Copy)]
pub struct Namespace(Uuid);

impl Namespace {
    /// The family of this name.
    pub fn new(name: &str) -> Namespace {
        Namespace(Uuid::new_v5(&ROOT, name.as_bytes()))
    }

    /// The UUID of these parts (RFC 9562, version 5). Each part is preceded by its length
    /// in eight bytes, so (a, bc) and (ab, c) differ.
    pub fn id(&self, parts: &[&[u8]]) -> Uuid {
        let mut name = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            name.extend_from_slice(&(part.len() as u64).to_be_bytes());
            name.extend_from_slice(part);
        }
        Uuid::new_v5(&self.0, &name)
    }
}

/// A deterministic UUID of `parts` in the namespace of this name; see [`Namespace::id`].
pub fn derive(namespace: &str, parts: &[&[u8]]) -> Uuid {
    Namespace::new(namespace).id(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_never_change() {
        assert_eq!(ROOT, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"oddsmill.invalid"));
        // Computed with Python's hashlib.
        assert_eq!(derive("test", &[b"a", b"bc"]).to_string(), "716902bc-d7d3-58ab-98d1-87b8fc242dfb");
        assert_ne!(derive("test", &[b"a", b"bc"]), derive("test", &[b"ab", b"c"]));
    }
}
