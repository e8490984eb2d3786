//! What a document may cost: a limit on everything that a sender could make large.

/// How much a document may hold. What is over a limit is refused with the limit's name and value; nothing is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole document. 100 MB: the largest real documents, with embedded scans, stay under half of it. Places in the tree
    /// are 32-bit, so more than [`Limits::BYTES_MAX`] is never accepted.
    pub bytes_max: usize,
    /// How deep elements may nest. 256: real documents reach about 40, and what walks the tree may recurse.
    pub depth_max: usize,
    /// How many elements there may be. 1 million: a hundred times a long document, and some 50 MB of tree.
    pub elements_max: usize,
    /// How many attributes one element may have. 256: the schema knows about 15, and duplicates are searched one by one.
    pub attributes_max: usize,
    /// How many attributes there may be in all. 4 million: four for each element, some 48 MB.
    pub all_attributes_max: usize,
    /// How many names of elements and attributes there may be. 10,000: the schema has about 500, and each is kept apart.
    pub names_max: usize,
    /// Bytes of one text or attribute value that is not base64. 10 MB: a book of narrative.
    pub text_bytes_max: usize,
    /// Bytes of one name. 256: paths and diagnostics show names.
    pub name_bytes_max: usize,
    /// How many namespace declarations may be in scope at once. 128: each name's prefix is looked up in them.
    pub namespaces_max: usize,
}

impl Limits {
    /// The most bytes that the tree can address, with room for what is unescaped.
    pub const BYTES_MAX: usize = 1 << 30;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 100_000_000,
            depth_max: 256,
            elements_max: 1_000_000,
            attributes_max: 256,
            all_attributes_max: 4_000_000,
            names_max: 10_000,
            text_bytes_max: 10_000_000,
            name_bytes_max: 256,
            namespaces_max: 128,
        }
    }
}
