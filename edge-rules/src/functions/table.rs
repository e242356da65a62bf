//! The functions of both spellings: names, parameters, results. One row each, in the order of [`Function`].

use Param::{
    Address, Any, ExitStatus, Flag, Location, Method, Name, Number, Pattern, RedirectStatus, Tag,
    Text, Truth, Unit, Value,
};

use super::{Param, Side, Signature, Type};
use crate::facts::Phase;

macro_rules! functions {
    ($($(#[doc = $doc:literal])+ $name:ident: $dollar:literal $when:literal
        ($($param:expr),*; $required:literal $($repeat:ident)?) $result:ident $(in $phases:expr)?;)*) => {
        /// What a rule can call. Conditions and values are pure; the rest are effects.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Function { $($(#[doc = $doc])+ $name,)* }

        /// One row for each function.
        pub(crate) static SIGNATURES: &[Signature] = &[$(Signature {
            function: Function::$name,
            dollar: $dollar,
            when: $when,
            params: &[$($param),*],
            required: $required,
            repeat: false $(|| stringify!($repeat).len() > 0)?,
            result: Type::$result,
            phases: ALL $(& $phases)?,
        },)*];
    };
}

const ALL: u8 = u8::MAX;
/// Before the cache is asked.
const REQUEST: u8 = 1 << Phase::Request as u8;
/// While there still is a request to change.
const OUTWARD: u8 = REQUEST | 1 << Phase::OriginRequest as u8;
const CACHE: u8 = REQUEST | 1 << Phase::Cache as u8;
/// While an answer can still be another.
const ANSWER: u8 = OUTWARD | 1 << Phase::Response as u8 | 1 << Phase::Error as u8;
/// All but before the origin, whose request is shared by many clients.
const INWARD: u8 = !(1 << Phase::OriginRequest as u8);
/// What one client's connection is given.
const CLIENT: u8 = REQUEST | 1 << Phase::Response as u8 | 1 << Phase::Error as u8;

const ASK: Side = Side::Request;
const REPLY: Side = Side::Response;

functions! {
    /// All true: go on; else the rule ends.
    When: "WHEN" "" (Truth; 1 more) Nothing;
    /// True if the argument is false or missing.
    Not: "NOT" "" (Truth; 1) Truth;
    /// All true; without arguments false.
    All: "ALL" "" (Truth; 0 more) Truth;
    /// At least one true.
    Any: "ANY" "" (Truth; 0 more) Truth;
    /// The first true argument.
    Or: "OR" "" (Any; 1 more) Any;
    /// The second argument if the first is true, else the third.
    Select: "SELECT" "" (Truth, Any, Any; 3) Any;
    /// Its argument, or nothing where that fails.
    Pcall: "PCALL" "" (Any; 1) Any;
    /// Whether the pattern is found in the text.
    Match: "MATCH" "" (Text, Pattern, Flag; 2) Truth;
    /// Keeps the groups of a pattern for `$n.m`.
    Capture: "CAPTURE" "" (Text, Pattern, Flag; 2) Nothing;
    /// One more request header.
    AddRequestHeader: "ADD_REQ_HEADER" "" (Name(ASK, false), Value; 2) Nothing in OUTWARD;
    /// A request header instead of any of its name.
    SetRequestHeader: "" "" (Name(ASK, false), Value; 2) Nothing in OUTWARD;
    /// No request header of that name.
    RemoveRequestHeader: "DEL_REQ_HEADER" "" (Name(ASK, true); 1) Nothing in OUTWARD;
    /// One more response header; with a third argument instead of any of its name.
    AddResponseHeader: "ADD_RSP_HEADER" "" (Name(REPLY, false), Value, Flag; 2) Nothing in INWARD;
    /// A response header instead of any of its name.
    SetResponseHeader: "" "" (Name(REPLY, false), Value; 2) Nothing in INWARD;
    /// No response header of that name.
    RemoveResponseHeader: "DEL_RSP_HEADER" "" (Name(REPLY, true); 1) Nothing in INWARD;
    /// A query without that argument.
    RemoveArgument: "DEL_ARG" "" (Text; 1) Nothing in REQUEST;
    /// Another method.
    SetMethod: "SET_METHOD" "" (Method; 1) Nothing in REQUEST;
    /// Another body.
    SetBody: "SET_BODY" "" (Text; 1) Nothing in REQUEST;
    /// Answer with a redirect.
    Redirect: "REDIRECT" "" (Location, RedirectStatus; 1) Nothing in ANSWER;
    /// Answer with a status and a body, and in a third argument its type.
    Respond: "EXIT" "" (ExitStatus, Text, Value; 1) Nothing in ANSWER;
    /// 302 to a page when the origin answers 404, or one of the further arguments.
    ErrorPage: "REDIRECT404" "" (Location, ExitStatus; 1 more) Nothing in REQUEST;
    /// Another path and query, once all rules have run.
    Rewrite: "" "" (Text; 1) Nothing in OUTWARD;
    /// How long to keep the answer, in seconds.
    CacheTtl: "" "" (Number; 1) Nothing in CACHE;
    /// How long to serve it stale, in seconds.
    CacheStale: "" "" (Number; 1) Nothing in CACHE;
    /// One more part of the cache key.
    CacheKey: "" "" (Text; 1) Nothing in REQUEST;
    /// A tag for purging.
    CacheTag: "" "" (Tag; 1) Nothing in CACHE;
    /// Past the cache.
    CacheBypass: "" "" (; 0) Nothing in CACHE;
    /// Which origin to ask; before the cache, since what is stored is told apart by it.
    Origin: "" "" (Tag; 1) Nothing in REQUEST;
    /// A sum.
    Add: "ADD" "add" (Number, Number; 2) Number;
    /// A difference.
    Subtract: "MSUB" "subtract" (Number, Number; 2) Number;
    /// A product.
    Multiply: "MULTIPLY" "multiply" (Number, Number; 2) Number;
    /// A quotient.
    Divide: "DIVIDE" "divide" (Number, Number; 2) Number;
    /// What a division leaves, with the sign of the divisor.
    Modulo: "MOD" "modulo" (Number, Number; 2) Number;
    /// The value of the first byte.
    Byte: "BYTE" "byte" (Text; 1) Number;
    /// The whole number not above.
    Floor: "FLOOR" "floor" (Number; 1) Number;
    /// The whole number not below.
    Ceil: "CEIL" "ceil" (Number; 1) Number;
    /// Greater.
    Greater: "GT" "" (Number, Number; 2) Truth;
    /// Greater or equal.
    GreaterEqual: "GE" "" (Number, Number; 2) Truth;
    /// Less.
    Less: "" "" (Number, Number; 2) Truth;
    /// Less or equal.
    LessEqual: "" "" (Number, Number; 2) Truth;
    /// The bytes from one place to another, from 1, both included.
    Sub: "SUB" "" (Text, Number, Number; 3) Text;
    /// The first N places of a text replaced by another; all without N.
    Gsub: "GSUB" "replace" (Text, Text, Text, Number; 3) Text;
    /// The same text.
    Equal: "EQ" "" (Any, Any; 2) Truth;
    /// Upper case.
    Upper: "UPPER" "upper" (Text; 1) Text;
    /// Lower case.
    Lower: "LOWER" "lower" (Text; 1) Text;
    /// Length in bytes.
    Len: "LEN" "len" (Text; 1) Number;
    /// To base64.
    EncodeBase64: "ENCODE_BASE64" "encode_base64" (Text; 1) Text;
    /// From base64.
    DecodeBase64: "DECODE_BASE64" "decode_base64" (Text; 1) Text;
    /// As `encodeURIComponent`.
    Escape: "ESCAPE" "url_encode" (Text; 1) Text;
    /// As `decodeURIComponent`.
    Unescape: "UNESCAPE" "url_decode" (Text; 1) Text;
    /// MD5 in 32 hex digits.
    Md5: "MD5" "md5" (Text; 1) Text;
    /// MD5 in 16 bytes.
    Md5Bin: "MD5_BIN" "" (Text; 1) Text;
    /// A random whole number, both bounds included.
    RandomInteger: "RANDI" "random_integer" (Number, Number; 1) Number;
    /// The Unix time of a civil time.
    UnixTime: "UNIXT" "unix_time" (Number, Number, Number, Number, Number, Number; 6) Number;
    /// A numeral from one base to another.
    Int: "INT" "" (Text, Number, Number; 1) Text;
    /// A Unix time in minutes: `201802230955`.
    FormatTime: "STRF_TIME" "format_time" (Number, Text; 1) Text;
    /// Hold back after so much of the body.
    LimitRateAfter: "LIMIT_RATE_AFTER" "" (Number, Unit; 2) Nothing in CLIENT;
    /// Send no faster than this.
    LimitRate: "LIMIT_RATE" "" (Number, Unit; 2) Nothing in CLIENT;
    /// Whether a text is found in another.
    Contains: "" "" (Text, Text; 2) Truth;
    /// Whether a text begins with another.
    StartsWith: "" "starts_with" (Text, Text; 2) Truth;
    /// Whether a text ends with another.
    EndsWith: "" "ends_with" (Text, Text; 2) Truth;
    /// Whether a text fits a shape in which `*` is any text; letter case does not count.
    Wildcard: "" "" (Text, Text; 2) Truth;
    /// The same with letter case.
    StrictWildcard: "" "" (Text, Text; 2) Truth;
    /// Whether the value is there.
    Exists: "" "exists" (Any; 1) Truth;
    /// The first value, or the second where the first is missing.
    Default: "" "default" (Text, Text; 2) Text;
    /// All texts joined.
    Concat: "" "concat" (Text; 1 more) Text;
    /// The bytes from one place up to another, from 0, the end not included.
    Substring: "" "substring" (Text, Number, Number; 2) Text;
    /// The numbered group of a pattern found in a text.
    Group: "" "capture" (Text, Pattern, Number; 3) Text;
    /// The number that a text writes.
    ToNumber: "" "number" (Text; 1) Number;
    /// So many random letters and digits.
    RandomText: "" "random_text" (Number; 1) Text;
    /// The label of the host with this number, from the left, from 1.
    HostLabel: "" "host_label" (Number; 1) Text;
    /// Whether an address lies in one of the networks.
    IpIn: "" "ip_in" (Address, Text; 2 more) Truth;
}
