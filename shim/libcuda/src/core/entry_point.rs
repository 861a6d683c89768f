//! `cuGetProcAddress`: the newest variant of a name that a version knows.

use abi::cuda::{Address, CUdriverProcAddressQueryResult as QueryResult};

use crate::exports::{DefaultStream, ENTRY_POINTS, EntryPoint};

/// What a look-up found.
pub struct Found {
    /// The function; `None` unless `status` is `SUCCESS`.
    pub address: Option<Address>,
    /// Why there is or is not a function.
    pub status: QueryResult,
}

/// A symbol's name without its variant: version suffix and default-stream suffix.
struct Variant<'a> {
    base: &'a str,
    stream: DefaultStream,
}

impl<'a> Variant<'a> {
    fn of(symbol: &'a str) -> Self {
        let per_thread = symbol
            .strip_suffix("_ptsz")
            .or_else(|| symbol.strip_suffix("_ptds"));
        let stream = if per_thread.is_some() {
            DefaultStream::PerThread
        } else {
            DefaultStream::Legacy
        };
        let versioned = per_thread.unwrap_or(symbol);
        let base = match versioned.rsplit_once("_v") {
            Some((base, digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => base,
            _ => versioned,
        };
        Self { base, stream }
    }
}

/// The newest variant of `name` introduced at or before CUDA `version` (as
/// 1000 · major + 10 · minor), with the default stream the caller was compiled for.
///
/// A name without a per-thread variant has one meaning for both kinds of caller.
pub fn find(name: &str, version: u32, stream: DefaultStream) -> Found {
    let variants = || {
        ENTRY_POINTS
            .iter()
            .filter(|entry| Variant::of(entry.name).base == name)
    };
    if variants().next().is_none() {
        return Found {
            address: None,
            status: QueryResult::SYMBOL_NOT_FOUND,
        };
    }
    let newest = |wanted: DefaultStream| {
        variants()
            .filter(|entry| Variant::of(entry.name).stream == wanted && entry.since <= version)
            .max_by_key(|entry| entry.since)
    };
    let entry = match stream {
        DefaultStream::PerThread => newest(stream).or_else(|| newest(DefaultStream::Legacy)),
        DefaultStream::Legacy => newest(stream),
    };
    Found {
        address: entry.map(EntryPoint::address),
        status: entry.map_or(QueryResult::VERSION_NOT_SUFFICIENT, |_| {
            QueryResult::SUCCESS
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str, version: u32, stream: DefaultStream) -> Option<&'static str> {
        let address = find(name, version, stream).address?;
        ENTRY_POINTS
            .iter()
            .find(|entry| entry.address() == address)
            .map(|entry| entry.name)
    }

    #[test]
    fn a_look_up_gives_the_newest_variant_that_the_version_knows() {
        use DefaultStream::{Legacy, PerThread};
        let cases = [
            ("cuMemAlloc", 2000, Legacy, Some("cuMemAlloc")),
            ("cuMemAlloc", 12090, Legacy, Some("cuMemAlloc_v2")),
            ("cuMemAlloc", 12090, PerThread, Some("cuMemAlloc_v2")),
            ("cuMemcpyHtoD", 12090, Legacy, Some("cuMemcpyHtoD_v2")),
            (
                "cuMemcpyHtoD",
                12090,
                PerThread,
                Some("cuMemcpyHtoD_v2_ptds"),
            ),
            ("cuCtxCreate", 11000, Legacy, Some("cuCtxCreate_v2")),
            ("cuCtxCreate", 13000, Legacy, Some("cuCtxCreate_v4")),
            ("cuGetProcAddress", 11030, Legacy, Some("cuGetProcAddress")),
            (
                "cuGetProcAddress",
                12000,
                Legacy,
                Some("cuGetProcAddress_v2"),
            ),
            ("cuLibraryLoadData", 11080, Legacy, None),
            ("cuNoSuchThing", 13000, Legacy, None),
        ];
        for (name, version, stream, expected) in cases {
            assert_eq!(
                symbol(name, version, stream),
                expected,
                "{name} at {version}, {stream:?}"
            );
        }
    }

    #[test]
    fn an_old_version_and_an_unknown_name_are_told_apart() {
        let status = |name, version| find(name, version, DefaultStream::Legacy).status;
        assert_eq!(
            status("cuLibraryLoadData", 11080),
            QueryResult::VERSION_NOT_SUFFICIENT
        );
        assert_eq!(
            status("cuNoSuchThing", 13000),
            QueryResult::SYMBOL_NOT_FOUND
        );
    }
}
