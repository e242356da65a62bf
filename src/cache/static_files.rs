//! Static or dynamic (feature F28): told by Content-Type, else by the suffix of the path.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::rule::is_ambiguous;
use crate::header::list;

const TYPES: &[&str] = &[
    "text/css",
    "text/javascript",
    "application/javascript",
    "application/x-javascript",
    "image/gif",
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/tiff",
    "image/x-icon",
    "image/x-ms-bmp",
    "image/svg+xml",
    "application/font-woff",
    "application/java-archive",
    "application/msword",
    "application/pdf",
    "application/postscript",
    "application/zip",
    "application/octet-stream",
    "audio/mpeg",
    "audio/ogg",
    "audio/x-m4a",
    "video/mp4",
    "video/x-flv",
    "video/x-m4v",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
];

const SUFFIXES: &[&str] = &[
    "css", "js", "jpg", "jpeg", "gif", "ico", "png", "bmp", "pict", "csv", "doc", "pdf", "pls",
    "ppt", "tif", "tiff", "eps", "ejs", "swf", "midi", "mida", "ttf", "eot", "woff", "otf", "svg",
    "svgz", "webp", "docx", "xlsx", "xls", "pptx", "ps", "class", "jar", "bz2", "bzip", "exe",
    "flv", "gzip", "rar", "rtf", "tgz", "gz", "txt", "zip", "mp3", "mp4", "ogg", "m4a", "m4v",
    "apk",
];

/// Whether a response is a static file: its type is listed; where it has no type, its suffix is.
/// A page never is, whatever its path ends with.
pub fn is_static(path: &str, headers: &HeaderMap) -> bool {
    match media_type(headers) {
        Some(media) if TYPES.iter().any(|known| media.eq_ignore_ascii_case(known.as_bytes())) => {
            true
        }
        Some(media) if is_page(media) => false,
        _ => !is_ambiguous(path) && has_static_suffix(path),
    }
}

/// Whether the response is an HTML page.
pub fn is_html(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(is_page)
}

fn is_page(media: &[u8]) -> bool {
    media.eq_ignore_ascii_case(b"text/html") || media.eq_ignore_ascii_case(b"application/xhtml+xml")
}

fn media_type(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(CONTENT_TYPE)?.as_bytes();
    value.split(|b| *b == b';').next().map(list::trim)
}

fn has_static_suffix(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.')
        .is_some_and(|(_, suffix)| SUFFIXES.iter().any(|known| suffix.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_type_goes_before_the_suffix() {
        for (path, media, expected) in [
            ("/a.css", None, true),
            ("/a.css", Some("text/html; charset=utf-8"), false),
            ("/a.css", Some("application/unknown"), true),
            ("/a", Some("Image/PNG"), true),
            ("/a", Some("application/json"), false),
            ("/a.json", None, false),
            ("/a.css/b", None, false),
            ("/me;x.css", None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(media) = media {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
            }
            assert_eq!(is_static(path, &headers), expected, "{path} {media:?}");
        }
    }
}
