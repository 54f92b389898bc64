//! Terraform's language, as far as the checks need it: blocks, their arguments, and what expressions
//! are made of. `terraform fmt` has read the files before, so a file that this cannot read is one that
//! uses what no module here does.

use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Chars;

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A name: of a variable, a function, a key.
    Word(String),
    /// A number, as it stands.
    Number(String),
    /// A text: what it is made of.
    Text(Vec<Part>),
    /// Anything else, a character at a time, but for `==`, `=>` and their like.
    Sign(String),
    /// The end of a line.
    Line,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Characters.
    Literal(String),
    /// `${…}`.
    Code(Vec<Token>),
}

/// `name = expression`.
#[derive(Debug, Clone)]
pub struct Argument {
    pub name: String,
    pub value: Vec<Token>,
    pub line: usize,
}

/// `kind "label" … { … }`; a file is a block without kind.
#[derive(Debug, Clone, Default)]
pub struct Block {
    pub kind: String,
    pub labels: Vec<String>,
    pub arguments: Vec<Argument>,
    pub blocks: Vec<Block>,
    pub line: usize,
}

/// A file.
#[derive(Debug, Clone)]
pub struct File {
    pub path: PathBuf,
    pub text: String,
    pub body: Block,
}

impl Block {
    /// An argument's expression, if it is given.
    pub fn argument(&self, name: &str) -> Option<&[Token]> {
        self.arguments.iter().find(|argument| argument.name == name).map(|argument| &argument.value[..])
    }

    /// The blocks in it of a kind.
    pub fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(move |block| block.kind == kind)
    }
}

/// Reads a file. What cannot be read stops the test with its line.
pub fn read(path: &Path) -> File {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let tokens = lex(&text).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
    let mut parser = Parser { tokens: &tokens, at: 0 };
    let body = parser.body().unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
    File { path: path.to_owned(), text, body }
}

/// Tokens, each with its line.
fn lex(text: &str) -> Result<Vec<(Token, usize)>, String> {
    let mut lexer = Lexer { rest: text.chars().peekable(), line: 1 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl Lexer<'_> {
    /// The next token; nothing at the end.
    fn next(&mut self) -> Result<Option<(Token, usize)>, String> {
        while self.rest.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
        let line = self.line;
        let Some(first) = self.rest.next() else { return Ok(None) };
        let token = match first {
            '\n' => {
                self.line += 1;
                Token::Line
            }
            '#' => {
                while self.rest.next_if(|c| *c != '\n').is_some() {}
                return self.next();
            }
            '"' => Token::Text(self.text()?),
            '<' if self.rest.peek() == Some(&'<') => return Err(format!("line {line}: write a text in quotes")),
            c if c.is_ascii_digit() => Token::Number(self.run(c, |c| c.is_ascii_digit() || c == '.')),
            c if c.is_ascii_alphabetic() || c == '_' => {
                Token::Word(self.run(c, |c| c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            }
            c => Token::Sign(match (c, self.rest.peek()) {
                ('=', Some('=' | '>')) | ('!' | '<' | '>', Some('=')) | ('&', Some('&')) | ('|', Some('|')) => {
                    let second = self.rest.next().map(String::from).unwrap_or_default();
                    format!("{c}{second}")
                }
                _ => c.to_string(),
            }),
        };
        Ok(Some((token, line)))
    }

    fn run(&mut self, first: char, more: impl Fn(char) -> bool) -> String {
        let mut word = String::from(first);
        while let Some(c) = self.rest.next_if(|c| more(*c)) {
            word.push(c);
        }
        word
    }

    /// A text, after its opening quote.
    fn text(&mut self) -> Result<Vec<Part>, String> {
        let (mut parts, mut literal) = (Vec::new(), String::new());
        loop {
            match self.rest.next() {
                None | Some('\n') => return Err(format!("line {}: a text does not end", self.line)),
                Some('"') => break,
                Some('\\') => literal.extend(self.rest.next()),
                Some('$') if self.rest.next_if_eq(&'{').is_some() => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Code(self.code()?));
                }
                Some(c) => literal.push(c),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(parts)
    }

    /// What stands in `${…}`, after its opening.
    fn code(&mut self) -> Result<Vec<Token>, String> {
        let (mut tokens, mut depth) = (Vec::new(), 0);
        while let Some((token, _)) = self.next()? {
            match &token {
                Token::Sign(sign) if sign == "{" => depth += 1,
                Token::Sign(sign) if sign == "}" && depth == 0 => return Ok(tokens),
                Token::Sign(sign) if sign == "}" => depth -= 1,
                _ => {}
            }
            tokens.push(token);
        }
        Err(format!("line {}: a ${{ does not end", self.line))
    }
}

struct Parser<'a> {
    tokens: &'a [(Token, usize)],
    at: usize,
}

impl Parser<'_> {
    /// Arguments and blocks, up to the end or to a closing brace.
    fn body(&mut self) -> Result<Block, String> {
        let mut body = Block::default();
        while let Some((token, line)) = self.tokens.get(self.at) {
            let (name, line) = match token {
                Token::Line => {
                    self.at += 1;
                    continue;
                }
                Token::Sign(sign) if sign == "}" => break,
                Token::Word(name) => (name.clone(), *line),
                other => return Err(format!("line {line}: {other:?} begins neither an argument nor a block")),
            };
            self.at += 1;
            if self.is("=") {
                self.at += 1;
                body.arguments.push(Argument { name, value: self.expression(), line });
            } else {
                body.blocks.push(self.block(name, line)?);
            }
        }
        Ok(body)
    }

    /// A block, after its kind.
    fn block(&mut self, kind: String, line: usize) -> Result<Block, String> {
        let mut labels = Vec::new();
        while let Some((Token::Text(parts), _)) = self.tokens.get(self.at) {
            labels.push(literal(parts).ok_or_else(|| format!("line {line}: a label is a plain text"))?);
            self.at += 1;
        }
        if !self.is("{") {
            return Err(format!("line {line}: {kind} is followed neither by = nor by {{"));
        }
        self.at += 1;
        let body = self.body()?;
        if !self.is("}") {
            return Err(format!("line {line}: the block {kind} does not end"));
        }
        self.at += 1;
        Ok(Block { kind, labels, line, ..body })
    }

    /// An expression: up to the end of its line, outside of brackets.
    fn expression(&mut self) -> Vec<Token> {
        let (mut value, mut depth) = (Vec::new(), 0);
        while let Some((token, _)) = self.tokens.get(self.at) {
            match token {
                Token::Sign(sign) if matches!(&sign[..], "(" | "[" | "{") => depth += 1,
                // A block on one line ends after its only argument.
                Token::Sign(sign) if sign == "}" && depth == 0 => break,
                Token::Sign(sign) if matches!(&sign[..], ")" | "]" | "}") => depth -= 1,
                Token::Line if depth == 0 => break,
                _ => {}
            }
            value.push(token.clone());
            self.at += 1;
        }
        value
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.tokens.get(self.at), Some((Token::Sign(found), _)) if found == sign)
    }
}

/// A text without code in it.
pub fn literal(parts: &[Part]) -> Option<String> {
    match parts {
        [] => Some(String::new()),
        [Part::Literal(text)] => Some(text.clone()),
        _ => None,
    }
}

/// Every plain text in an expression, those within others' code included.
pub fn texts(tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens {
        let Token::Text(parts) = token else { continue };
        for part in parts {
            match part {
                Part::Literal(text) => found.push(text.clone()),
                Part::Code(code) => found.extend(texts(code)),
            }
        }
    }
    found
}

#[test]
fn blocks_arguments_and_texts_are_read() {
    let text = "# Why.\na \"b\" \"c\" { d = \"x${e.f[\"g\"]}y\" }\nh = [\n  1.5, # one\n  i == 2 ? j : k,\n]\n";
    let tokens = lex(text).unwrap();
    let body = Parser { tokens: &tokens, at: 0 }.body().unwrap();
    assert_eq!((body.blocks[0].labels.join(" "), body.blocks[0].line), ("b c".into(), 2));
    assert_eq!(texts(body.blocks[0].argument("d").unwrap()), ["x", "g", "y"]);
    assert_eq!(body.argument("h").unwrap().len(), 15);
    for bad in ["a b", "a = \"x", "a {", "a = \"${b\"", "= 1"] {
        let read = lex(bad).and_then(|tokens| Parser { tokens: &tokens, at: 0 }.body());
        assert!(read.is_err(), "{bad}");
    }
}
