//! Folders of Terraform files, and whether all that they name is there: variables, locals, resources,
//! modules and their outputs; each argument of a module; and that nothing is declared for nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::hcl::{self, Block, File, Part, Token, literal};

/// Names that Terraform itself knows.
const KNOWN: [&str; 11] = ["each", "count", "self", "path", "terraform", "true", "false", "null", "for", "in", "if"];
/// Arguments of a module that are not its variables.
const OF_MODULES: [&str; 5] = ["source", "version", "count", "for_each", "depends_on"];

/// A folder's files.
pub struct Module {
    pub dir: PathBuf,
    pub files: Vec<File>,
}

/// A dotted name, as far as it is written without brackets.
pub type Name = Vec<String>;

impl Module {
    /// Reads a folder.
    pub fn read(dir: &Path) -> Module {
        let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "tf"));
        paths.sort();
        Module { dir: dir.to_owned(), files: paths.iter().map(|path| hcl::read(path)).collect() }
    }

    /// Its blocks of a kind.
    pub fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Block> {
        self.files.iter().flat_map(move |file| file.body.all(kind))
    }

    /// Names that it declares, as expressions write them, each with the block.
    fn declared(&self) -> BTreeMap<Name, &Block> {
        let mut declared = BTreeMap::new();
        let mut declare =
            |parts: &[&str], block| _ = declared.insert(parts.iter().map(|part| (*part).into()).collect(), block);
        for block in self.files.iter().flat_map(|file| &file.body.blocks) {
            let labels: Vec<&str> = block.labels.iter().map(String::as_str).collect();
            match (block.kind.as_str(), &labels[..]) {
                ("variable", [name]) => declare(&["var", name], block),
                ("module", [name]) => declare(&["module", name], block),
                ("resource", [kind, name]) => declare(&[kind, name], block),
                ("data", [kind, name]) => declare(&["data", kind, name], block),
                ("locals", []) => block.arguments.iter().for_each(|local| declare(&["local", &local.name], block)),
                _ => {}
            }
        }
        declared
    }

    /// What is wrong with it.
    pub fn problems(&self) -> Vec<String> {
        let (declared, mut used, mut problems) = (self.declared(), BTreeSet::new(), Vec::new());
        for (file, block) in self.files.iter().flat_map(|file| file.body.blocks.iter().map(move |block| (file, block)))
        {
            let mut names = Vec::new();
            walk(block, &BTreeSet::new(), &mut names);
            for (line, name) in names {
                let known = (1..=name.len().min(3)).map(|parts| name[..parts].to_vec());
                match known.rev().find(|name| declared.contains_key(name)) {
                    // A variable's own validation is no use of it.
                    Some(known) if block.kind != "variable" => _ = used.insert(known),
                    Some(_) => {}
                    None => {
                        problems.push(format!("{}:{line}: {} is not declared", file.path.display(), name.join(".")))
                    }
                }
                if let [root, module, output, ..] = &name[..]
                    && root == "module"
                {
                    let there = declared.get(&name[..2]).is_some_and(|block| self.child(block).has("output", output));
                    if !there {
                        problems
                            .push(format!("{}:{line}: module {module} has no output {output}", file.path.display()));
                    }
                }
            }
        }
        let unused = declared.iter().filter(|(name, _)| !used.contains(*name));
        for (name, block) in unused.filter(|(_, block)| !matches!(&block.kind[..], "resource" | "module")) {
            problems.push(format!("{}: {} is never used (line {})", self.dir.display(), name.join("."), block.line));
        }
        problems.extend(self.all("module").flat_map(|block| self.arguments(block)));
        problems
    }

    /// What is wrong with the arguments of one of its modules.
    fn arguments(&self, block: &Block) -> Vec<String> {
        let (child, mut problems) = (self.child(block), Vec::new());
        let given = block.arguments.iter().map(|argument| &argument.name[..]).filter(|name| !OF_MODULES.contains(name));
        let given: BTreeSet<&str> = given.collect();
        let label = block.labels.join(".");
        for name in given.iter().filter(|name| !child.has("variable", name)) {
            problems.push(format!("{}: module {label} takes no {name}", self.dir.display()));
        }
        let needed = child.all("variable").filter(|variable| variable.argument("default").is_none());
        for name in needed.map(|variable| &variable.labels[0]).filter(|name| !given.contains(&name[..])) {
            problems.push(format!("{}: module {label} is not given {name}", self.dir.display()));
        }
        problems
    }

    /// The module that a block is about.
    fn child(&self, block: &Block) -> Module {
        let source = match block.argument("source") {
            Some([Token::Text(parts)]) => literal(parts),
            _ => None,
        };
        Module::read(
            &self.dir.join(source.unwrap_or_else(|| panic!("module {} has no source", block.labels.join(".")))),
        )
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        self.all(kind).any(|block| block.labels == [name])
    }
}

/// The names that a block's expressions refer to, each with its line. `bound` are those that blocks
/// around it bind.
fn walk(block: &Block, bound: &BTreeSet<String>, names: &mut Vec<(usize, Name)>) {
    let mut bound = bound.clone();
    if block.kind == "dynamic" {
        bound.insert(block.labels[0].clone());
    }
    for argument in &block.arguments {
        // Types have words of their own; what `ignore_changes` lists are arguments of the resource.
        let of_types = block.kind == "variable" && argument.name == "type";
        if !of_types && argument.name != "ignore_changes" {
            let mut found = Vec::new();
            references(&argument.value, &bound, &mut found);
            names.extend(found.into_iter().map(|name| (argument.line, name)));
        }
    }
    block.blocks.iter().for_each(|inner| walk(inner, &bound, names));
}

/// The names in an expression that are not bound in it, are no keys and no functions.
pub fn references(tokens: &[Token], bound: &BTreeSet<String>, names: &mut Vec<Name>) {
    let mut bound = bound.clone();
    bind(tokens, &mut bound);
    let sign =
        |at: usize, signs: &[&str]| matches!(tokens.get(at), Some(Token::Sign(found)) if signs.contains(&&found[..]));
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            Token::Text(parts) => {
                for part in parts {
                    if let Part::Code(code) = part {
                        references(code, &bound, names);
                    }
                }
            }
            Token::Word(word) if !(at > 0 && sign(at - 1, &["."])) => {
                let mut name = vec![word.clone()];
                loop {
                    if let (true, Some(Token::Word(next))) = (sign(at + 1, &["."]), tokens.get(at + 2)) {
                        name.push(next.clone());
                        at += 2;
                    } else if sign(at + 1, &["["]) {
                        // An index says nothing of names, but for those in it.
                        let inside = bracketed(&tokens[at + 2..]);
                        references(inside, &bound, names);
                        at += inside.len() + 2;
                    } else {
                        break;
                    }
                }
                let is_key = name.len() == 1 && sign(at + 1, &["=", "("]);
                let is_known = KNOWN.contains(&&name[0][..]) || bound.contains(&name[0]);
                if !is_key && !is_known {
                    names.push(name);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// What stands before the bracket that closes one that was opened before.
fn bracketed(tokens: &[Token]) -> &[Token] {
    let mut depth = 1;
    let end = tokens.iter().position(|token| {
        match token {
            Token::Sign(sign) if sign == "[" => depth += 1,
            Token::Sign(sign) if sign == "]" => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    &tokens[..end.unwrap_or(tokens.len())]
}

/// The names that `for a, b in` binds, anywhere in an expression.
fn bind(tokens: &[Token], bound: &mut BTreeSet<String>) {
    for (at, _) in tokens.iter().enumerate().filter(|(_, token)| **token == Token::Word("for".into())) {
        let names = tokens[at + 1..].iter().take_while(|token| **token != Token::Word("in".into()));
        bound.extend(names.filter_map(|token| if let Token::Word(name) = token { Some(name.clone()) } else { None }));
    }
}

#[test]
fn names_that_are_not_bound_are_found() {
    let text = "output \"a\" {\n  value = [for k, v in var.m : { (k) = v.x, label = \"${local.n}${k}\" } if f(module.w[k].out) != null]\n}\n";
    let dir = tests::fixture::memory_dir();
    let path = dir.path().join("a.tf");
    std::fs::write(&path, text).unwrap();
    let mut names = Vec::new();
    walk(&hcl::read(&path).body, &BTreeSet::new(), &mut names);
    let names: Vec<String> = names.into_iter().map(|(_, name)| name.join(".")).collect();
    assert_eq!(names, ["var.m", "local.n", "module.w.out"]);
    std::fs::write(&path, "variable \"v\" {}\noutput \"o\" {\n  value = var.w + aws_x.y.arn\n}\n").unwrap();
    let problems = Module::read(dir.path()).problems().join("\n");
    for expected in ["a.tf:3: var.w is not declared", "a.tf:3: aws_x.y.arn is not declared", "var.v is never used"] {
        assert!(problems.contains(expected), "{problems}");
    }
}
