//! Reads sitemaps: XML of sitemaps.org, its index, and plain lists of URLs, each perhaps packed by
//! gzip. They come from customers: sizes are bounded, and what could grow while it is read is refused.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use roxmltree::{Document, Node, ParsingOptions};

/// Most elements, texts and comments of one sitemap: about 50 bytes of memory each. A sitemap of the
/// 50,000 URLs that the protocol allows has some 15 for each.
const NODES: u32 = 1_500_000;

/// What a sitemap lists.
#[derive(Debug, PartialEq, Eq)]
pub enum Sitemap {
    /// URLs, those of pictures on pages among them.
    Urls(Vec<String>),
    /// Further sitemaps.
    Index(Vec<String>),
}

/// Reads a sitemap of at most `most` bytes, unpacked.
///
/// # Errors
/// It is larger, broken, declares a document type, or is no sitemap: a clause that says which.
pub fn read(bytes: Vec<u8>, most: u64) -> Result<Sitemap, String> {
    let bytes = unpacked(bytes, most)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('<') { xml(text) } else { Ok(Sitemap::Urls(lines(text))) }
}

fn unpacked(bytes: Vec<u8>, most: u64) -> Result<Vec<u8>, String> {
    let is_packed = bytes.starts_with(&[0x1f, 0x8b]);
    let unpacked = match is_packed {
        true => {
            let mut unpacked = Vec::new();
            let mut reader = MultiGzDecoder::new(&*bytes).take(most.saturating_add(1));
            reader.read_to_end(&mut unpacked).map_err(|_| "its gzip is broken")?;
            unpacked
        }
        false => bytes,
    };
    match unpacked.len() as u64 > most {
        true => Err(too_large(most)),
        false => Ok(unpacked),
    }
}

/// What is said of a sitemap that is too large.
pub fn too_large(most: u64) -> String {
    format!("it is larger than {most} bytes, the most that `[warm] sitemap` allows")
}

/// One URL a line.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect()
}

fn xml(text: &str) -> Result<Sitemap, String> {
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| format!("it is no sitemap: {error}"))?;
    let locations = |parents: &[&str]| {
        let is_location = |node: &Node<'_, '_>| {
            // Many sitemaps name a wrong namespace or none.
            let parent = node.parent_element();
            node.is_element()
                && node.tag_name().name() == "loc"
                && parent.is_some_and(|it| parents.contains(&it.tag_name().name()))
        };
        document.descendants().filter(is_location).map(text_of).collect()
    };
    match document.root_element().tag_name().name() {
        "urlset" => Ok(Sitemap::Urls(locations(&["url", "image"]))),
        "sitemapindex" => Ok(Sitemap::Index(locations(&["sitemap"]))),
        other => {
            let other: String = other.chars().take(40).collect();
            Err(format!("it is no sitemap: its root is `{other}`, not `urlset` or `sitemapindex`"))
        }
    }
}

fn text_of(node: Node<'_, '_>) -> String {
    let text: String = node.children().filter_map(|child| child.text()).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const MOST: u64 = 1 << 20;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn urls(text: &str) -> Vec<String> {
        match read(text.into(), MOST).unwrap() {
            Sitemap::Urls(urls) => urls,
            Sitemap::Index(_) => panic!("an index"),
        }
    }

    #[test]
    fn urls_are_found_in_xml_with_their_pictures() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
            <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://i.example">
              <url><loc> http://a.test/?a=1&amp;b=2
              </loc><lastmod>2026-01-31</lastmod>
                <image:image><image:loc>http://a.test/p.jpg</image:loc></image:image></url>
              <!-- <url><loc>http://a.test/no</loc></url> -->
              <url><loc><![CDATA[http://a.test/c]]></loc></url>
              <loc>http://a.test/nowhere</loc>
            </urlset>"#;
        let expected = ["http://a.test/?a=1&b=2", "http://a.test/p.jpg", "http://a.test/c"];
        assert_eq!(urls(text), expected);
        assert_eq!(urls("<urlset><url><loc>x</loc></url></urlset>"), ["x"]);
        let packed = gzip(text.as_bytes());
        assert_eq!(read(packed, MOST).unwrap(), Sitemap::Urls(expected.map(String::from).into()));
    }

    #[test]
    fn an_index_lists_sitemaps() {
        let text = "<sitemapindex><sitemap><loc>http://a.test/1.xml.gz</loc></sitemap>\
                    <sitemap><loc>http://a.test/2.xml</loc></sitemap></sitemapindex>";
        let expected = ["http://a.test/1.xml.gz", "http://a.test/2.xml"].map(String::from);
        assert_eq!(read(text.into(), MOST).unwrap(), Sitemap::Index(expected.into()));
    }

    #[test]
    fn a_list_has_one_url_a_line() {
        let text = "\u{feff}http://a.test/1\r\n\r\n  http://a.test/2  \nhttp://a.test/3";
        assert_eq!(urls(text), ["http://a.test/1", "http://a.test/2", "http://a.test/3"]);
        assert_eq!(urls(""), [""; 0]);
    }

    #[test]
    fn what_is_no_sitemap_is_refused_and_named() {
        let wrong = |bytes: Vec<u8>| read(bytes, MOST).unwrap_err();
        assert!(wrong("<html><body/></html>".into()).contains("its root is `html`"));
        assert!(wrong("<urlset><url>".into()).contains("no sitemap"));
        assert_eq!(wrong(vec![b'h', 0xff]), "it is not UTF-8");
        assert_eq!(wrong(vec![0x1f, 0x8b, 8, 0, 1]), "its gzip is broken");
        let mut cut = gzip(b"http://a.test/");
        cut.truncate(cut.len() - 4);
        assert_eq!(wrong(cut), "its gzip is broken");
    }

    #[test]
    fn what_grows_while_it_is_read_is_refused() {
        let bomb = "<!DOCTYPE urlset [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>\
                    <urlset><url><loc>&b;</loc></url></urlset>";
        assert!(read(bomb.into(), MOST).unwrap_err().contains("DTD"));
        let packed = gzip(&vec![b'a'; 2 << 20]);
        assert!(packed.len() < 100_000);
        assert_eq!(read(packed, MOST).unwrap_err(), too_large(MOST));
        assert_eq!(read(vec![b'a'; 11], 10).unwrap_err(), too_large(10));
        assert!(read(vec![b'a'; 10], 10).is_ok());
        let nodes = format!("<urlset>{}</urlset>", "<a/>".repeat(NODES as usize));
        assert!(read(nodes.into(), 64 << 20).unwrap_err().contains("no sitemap"));
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let deep = format!("<urlset>{}{}</urlset>", "<a>".repeat(400_000), "</a>".repeat(400_000));
        let run = move || read(deep.into(), 64 << 20);
        let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap();
        assert_eq!(thread.join().unwrap().unwrap(), Sitemap::Urls(vec![]));
    }
}
