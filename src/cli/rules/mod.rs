//! `brink rules`: checks, tests, tries out, lays out and converts edge rules, without any node; and
//! which rules a node's clients have.

mod release;
mod run;
mod test;

use std::path::{Path, PathBuf};

use edge_rules::{Error, Limits, Notation, Program};
use serde_json::{Value, json};
use toml::de::DeTable;

use crate::cli::{COULD_NOT_RUN, FOUND_WRONG, Reach};
use crate::quantity::Span;

/// What `brink rules` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// Files are documents of `[[rules]]` or whole site documents (`.toml`), or rules in the `$` spelling
/// with blank lines between them (`.rules`).
#[derive(clap::Subcommand)]
enum Verb {
    /// Say what is wrong with rules: file, line, column, and what to write instead.
    Check {
        /// Files with rules.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the tests that stand in NAME.test.toml beside NAME.toml and NAME.rules, and report rules
    /// that no test ever matches.
    Test(test::Arguments),
    /// Run rules for one request and show what each of them did.
    Run(Box<run::Arguments>),
    /// Lay rules out in the one form; comments stay.
    Fmt {
        /// Files with rules.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Change nothing; say which files are laid out otherwise.
        #[arg(long)]
        check: bool,
    },
    /// Write rules in the other spelling, and say which stay as they are and why.
    Convert {
        /// A file with rules.
        file: PathBuf,
        /// The spelling to write.
        #[arg(long, value_enum, default_value = "when")]
        to: Spelling,
    },
    /// Show the rule sets that a site of a running node has had, and which clients have which.
    Sets {
        /// The site.
        site: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Give all clients of a site the rule set before the one in its document, at once and until the
    /// rules of the document change.
    Return {
        /// The site.
        site: String,
        /// Give clients the rules of the document again.
        #[arg(long)]
        undo: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Print a request header that makes rules in state `test` act, signed by the site's `test_key`.
    Token {
        /// The document of the site.
        file: PathBuf,
        /// How long it is good, at most a week.
        #[arg(long = "for", default_value = "1h", value_name = "TIME")]
        lifetime: Span,
    },
}

/// A spelling of the language.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Spelling {
    /// A condition and actions.
    When,
    /// A text of calls.
    #[value(name = "$", alias = "dollar")]
    Dollar,
}

/// Rules out of a file.
struct Rules {
    file: String,
    text: String,
    kind: Kind,
}

/// What a file with rules is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing but `[[rules]]`.
    Document,
    /// Rules and the settings of a site.
    Site,
    /// Rules in the `$` spelling.
    Blocks,
}

/// Does as told.
pub(crate) fn run(arguments: Arguments) -> u8 {
    let done = match arguments.verb {
        Verb::Check { files, json } => check(&files, json),
        Verb::Test(arguments) => test::run(&arguments),
        Verb::Run(arguments) => run::run(*arguments),
        Verb::Fmt { files, check } => lay_out(&files, check),
        Verb::Convert { file, to } => convert(&file, to),
        Verb::Sets { site, reach } => release::sets(&site, &reach),
        Verb::Return { site, undo, reach } => release::take_back(&site, undo, &reach),
        Verb::Token { file, lifetime } => release::token(&file, lifetime),
    };
    done.unwrap_or_else(|why| {
        eprintln!("brink: {why}");
        COULD_NOT_RUN
    })
}

impl Rules {
    fn read(path: &Path) -> Result<Rules, String> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{file} cannot be read: {error}"))?;
        let kind = match path.extension().is_some_and(|it| it == "rules") {
            true => Kind::Blocks,
            // A document that cannot be parsed says so when it is compiled.
            false => match DeTable::parse(&text) {
                Ok(document)
                    if document.get_ref().iter().any(|(key, _)| key.get_ref() == "hosts") =>
                {
                    Kind::Site
                }
                _ => Kind::Document,
            },
        };
        Ok(Rules { file, text, kind })
    }

    fn compile(&self) -> Result<Program, Vec<Error>> {
        let limits = Limits::default();
        match self.kind {
            Kind::Blocks => Program::from_rules(&self.text, &limits),
            Kind::Document => Program::from_document(&self.text, &limits),
            Kind::Site => {
                let Ok(document) = DeTable::parse(&self.text) else {
                    return Ok(Program::default());
                };
                match document.get_ref().iter().find(|(key, _)| key.get_ref() == "rules") {
                    Some((_, rules)) => Program::from_value(&self.text, rules, &limits),
                    None => Ok(Program::default()),
                }
            }
        }
    }

    fn show(&self, errors: &[Error]) {
        for error in errors {
            eprintln!("{}", error.show(&self.file, &self.text));
        }
    }

    fn json(&self, error: &Error) -> Value {
        let (line, column) = error.place(&self.text);
        json!({
            "file": self.file,
            "line": line,
            "column": column,
            "message": error.message,
            "suggestion": error.hint,
        })
    }
}

fn check(files: &[PathBuf], as_json: bool) -> Result<u8, String> {
    let (mut rules, mut wrong) = (0, Vec::new());
    for path in files {
        let read = Rules::read(path)?;
        match read.compile() {
            Ok(program) => rules += program.len(),
            Err(errors) => {
                if !as_json {
                    read.show(&errors);
                }
                wrong.extend(errors.iter().map(|error| read.json(error)));
            }
        }
    }
    if as_json {
        println!("{:#}", json!({ "files": files.len(), "rules": rules, "diagnostics": wrong }));
    } else if wrong.is_empty() {
        println!("{} files, {rules} rules: all good", files.len());
    }
    Ok(if wrong.is_empty() { 0 } else { FOUND_WRONG })
}

fn lay_out(files: &[PathBuf], only_check: bool) -> Result<u8, String> {
    let limits = Limits::default();
    let mut code = 0;
    for path in files {
        let rules = Rules::read(path)?;
        let made = match rules.kind {
            Kind::Blocks => edge_rules::format_rules(&rules.text, &limits),
            Kind::Document => edge_rules::format_document(&rules.text, &limits),
            Kind::Site => {
                return Err(format!("{} is a whole site: only its owner lays it out", rules.file));
            }
        };
        match made {
            Ok(made) if made == rules.text => {}
            Ok(_) if only_check => {
                println!("{} is laid out otherwise", rules.file);
                code = FOUND_WRONG;
            }
            Ok(made) => std::fs::write(path, made)
                .map_err(|error| format!("{} cannot be written: {error}", rules.file))?,
            Err(errors) => {
                rules.show(&errors);
                code = FOUND_WRONG;
            }
        }
    }
    Ok(code)
}

fn convert(path: &Path, to: Spelling) -> Result<u8, String> {
    let rules = Rules::read(path)?;
    let limits = Limits::default();
    let converted = match (rules.kind, to) {
        (Kind::Blocks, Spelling::When) => edge_rules::convert_rules(&rules.text, &limits),
        (Kind::Blocks, Spelling::Dollar) => {
            return Err(format!("{} is in the $ spelling already", rules.file));
        }
        (Kind::Site, _) => {
            return Err(format!("{} is a whole site: move its rules to a file first", rules.file));
        }
        (Kind::Document, to) => {
            let to = match to {
                Spelling::When => Notation::When,
                Spelling::Dollar => Notation::Dollar,
            };
            edge_rules::convert_document(&rules.text, to, &limits)
        }
    };
    match converted {
        Ok(converted) => {
            print!("{}", converted.text);
            rules.show(&converted.kept);
            Ok(if converted.kept.is_empty() { 0 } else { FOUND_WRONG })
        }
        Err(errors) => {
            rules.show(&errors);
            Ok(FOUND_WRONG)
        }
    }
}
