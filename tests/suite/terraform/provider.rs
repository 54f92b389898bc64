//! Whether resources have the arguments that the provider takes, and those that it needs. What it takes is
//! in `tests/golden/terraform/aws_provider.txt`, since the provider itself is no package of a registry
//! that tests reach.

use std::collections::BTreeMap;

use super::hcl::Block;
use super::modules::Module;

/// Arguments and blocks of any resource.
const OF_ALL: [&str; 5] = ["count", "for_each", "depends_on", "provider", "lifecycle"];

/// What a resource or a block takes, by its path: names, and whether each is needed. Blocks end with `{}`.
type Taken = BTreeMap<String, BTreeMap<String, bool>>;

/// Reads the list.
fn taken() -> Taken {
    let path = tests::fixture::project_dir().join("tests/golden/terraform/aws_provider.txt");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let name = |word: &str| (word.trim_start_matches('!').to_owned(), word.starts_with('!'));
    lines
        .map(|line| line.split_once(':').unwrap_or((line, "")))
        .map(|(path, words)| (path.to_owned(), words.split_whitespace().map(name).collect()))
        .collect()
}

/// What is wrong with the resources of modules.
pub fn problems(modules: &[Module]) -> Vec<String> {
    let (taken, mut problems) = (taken(), Vec::new());
    for file in modules.iter().flat_map(|module| &module.files) {
        for block in file.body.blocks.iter().filter(|block| matches!(&block.kind[..], "resource" | "data")) {
            let prefix = if block.kind == "data" { "data." } else { "" };
            let found = of_block(&taken, &format!("{prefix}{}", block.labels[0]), block);
            problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", file.path.display())));
        }
    }
    problems
}

fn of_block(taken: &Taken, path: &str, block: &Block) -> Vec<String> {
    let line = block.line;
    let Some(takes) = taken.get(path) else {
        return vec![format!("line {line}: nobody knows what {path} takes; add it to aws_provider.txt")];
    };
    let mut problems = Vec::new();
    let arguments = block.arguments.iter().map(|argument| argument.name.clone());
    let blocks = block.blocks.iter().map(|inner| (name_of(inner), inner));
    let blocks: Vec<(&str, &Block)> = blocks.filter(|(name, _)| !OF_ALL.contains(name)).collect();
    let given: Vec<String> = arguments.chain(blocks.iter().map(|(name, _)| format!("{name}{{}}"))).collect();
    let unknown = given.iter().filter(|name| !takes.contains_key(*name) && !OF_ALL.contains(&&name[..]));
    problems.extend(unknown.map(|name| format!("line {line}: {path} takes no {name}")));
    let missing = takes.iter().filter(|(name, needed)| **needed && !given.contains(name));
    problems.extend(missing.map(|(name, _)| format!("line {line}: {path} needs {name}")));
    for (name, inner) in blocks.iter().filter(|(name, _)| takes.contains_key(&format!("{name}{{}}"))) {
        let content = if inner.kind == "dynamic" { inner.all("content").next() } else { Some(*inner) };
        problems.extend(content.into_iter().flat_map(|content| of_block(taken, &format!("{path}.{name}"), content)));
    }
    problems
}

fn name_of(block: &Block) -> &str {
    if block.kind == "dynamic" { &block.labels[0] } else { &block.kind }
}

#[test]
fn arguments_that_the_provider_does_not_take_are_found() {
    let dir = tests::fixture::memory_dir();
    let found = |body: &str| {
        let text = format!("resource \"aws_kinesis_stream\" \"s\" {{\n  name = \"n\"\n{body}\n}}\n");
        std::fs::write(dir.path().join("a.tf"), text).unwrap();
        problems(&[Module::read(dir.path())]).join("\n")
    };
    assert_eq!(found("  count = 1\n  stream_mode_details {\n    stream_mode = \"ON_DEMAND\"\n  }"), "");
    for (body, problem) in [
        ("  retention = 24", "line 1: aws_kinesis_stream takes no retention"),
        ("  mode {\n  }", "takes no mode{}"),
        ("  stream_mode_details {\n  }", "line 3: aws_kinesis_stream.stream_mode_details needs stream_mode"),
        (
            "  dynamic \"stream_mode_details\" {\n    for_each = []\n    content {\n      a = 1\n    }\n  }",
            "takes no a",
        ),
        ("}\nresource \"aws_other\" \"o\" {", "nobody knows what aws_other takes"),
    ] {
        let found = found(body);
        assert!(found.contains(problem), "{problem}: {found}");
    }
}
