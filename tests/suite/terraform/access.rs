//! Who may do what: every statement of every policy names its actions and its resources, and says why.

use super::hcl::{Block, File, Token, texts};
use super::modules::Module;

/// Statements that name all resources, or all actions, and why they must.
const WIDE: [(&str, &str, &str); 6] = [
    ("access", "FindTopics", "sns:ListTopics is about the account and knows no resources"),
    ("access", "KeepToTheQuota", "ses:GetAccount is about the account and knows no resources"),
    ("kms", "AccountAdministersItsKey", "in a key's policy the resource is the key, and its administrator may do all"),
    ("kms", "LogsOfTheWorkers", "in a key's policy the resource is the key"),
    ("kms", "TopicsAndQueues", "in a key's policy the resource is the key"),
    ("workers", "LogInToTheRegistry", "ecr:GetAuthorizationToken knows no resources"),
];

/// What is wrong with a module's policies.
pub fn problems(module: &Module) -> Vec<String> {
    let mut problems = Vec::new();
    for file in &module.files {
        for document in file.body.all("data").filter(|block| block.labels[0] == "aws_iam_policy_document") {
            let mut statements: Vec<(&Block, &Block)> = document.all("statement").map(|block| (block, block)).collect();
            let dynamic = document.all("dynamic").filter(|block| block.labels == ["statement"]);
            statements.extend(dynamic.flat_map(|block| block.all("content").map(move |content| (block, content))));
            for (outer, statement) in statements {
                let place = format!("{}:{}", file.path.display(), outer.line);
                problems.extend(
                    statement_problems(module, file, outer, statement).map(|problem| format!("{place}: {problem}")),
                );
            }
        }
        // Policies elsewhere would not be seen here.
        for resource in file.body.all("resource") {
            for name in ["policy", "assume_role_policy"] {
                let written =
                    resource.argument(name).is_some_and(|value| value.first() != Some(&Token::Word("data".into())));
                if written {
                    problems.push(format!(
                        "{}: {} has a {name} that is no policy document",
                        file.path.display(),
                        resource.labels.join(".")
                    ));
                }
            }
        }
        if file.text.contains("iam::aws:policy/") {
            problems.push(format!(
                "{}: AWS' own policies allow more than is needed; write a document",
                file.path.display()
            ));
        }
    }
    problems
}

fn statement_problems(module: &Module, file: &File, outer: &Block, statement: &Block) -> impl Iterator<Item = String> {
    let given = |name: &str| statement.argument(name).map(texts);
    let sid = given("sid").unwrap_or_default().concat();
    let folder = module.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let wide = WIDE.iter().any(|(module, name, _)| *module == folder && *name == sid);
    let denies = given("effect").is_some_and(|effect| effect.concat() == "Deny");
    let (actions, resources) = (given("actions"), statement.argument("resources"));
    let above = file.text.lines().nth(outer.line.wrapping_sub(2)).unwrap_or_default();
    let is_trust = actions.as_ref().is_some_and(|actions| actions == &["sts:AssumeRole"]);
    let whole = |texts: &[String]| texts.iter().any(|text| text == "*");
    let mut problems = Vec::new();
    if sid.is_empty() {
        problems.push("the statement has no sid".to_owned());
    }
    if !above.trim_start().starts_with('#') {
        problems.push(format!("no comment above says what {sid} is for"));
    }
    if actions.as_ref().is_none_or(Vec::is_empty) || (resources.is_none() && !is_trust) {
        problems.push(format!("{sid} does not name actions and resources"));
    }
    if !wide && !denies {
        if actions.is_some_and(|actions| actions.iter().any(|action| action.contains('*'))) {
            problems.push(format!("{sid} allows actions by a pattern; name those that the program calls"));
        }
        if resources.is_some_and(|resources| whole(&texts(resources))) {
            problems.push(format!("{sid} allows all resources; name them, or list the statement with a reason"));
        }
    }
    problems.into_iter()
}

/// Exceptions that nothing needs any more.
pub fn idle_exceptions(modules: &[Module]) -> Vec<&'static str> {
    let is_there = |module: &str, sid: &str| {
        let files = modules.iter().filter(|found| found.dir.ends_with(module)).flat_map(|found| &found.files);
        files.into_iter().any(|file| file.text.contains(&format!("\"{sid}\"")))
    };
    WIDE.iter().filter(|(module, sid, _)| !is_there(module, sid)).map(|(_, sid, _)| *sid).collect()
}

#[test]
fn what_allows_too_much_is_found() {
    let dir = tests::fixture::memory_dir();
    let statement = |body: &str| {
        let text = format!("data \"aws_iam_policy_document\" \"d\" {{\n  # Why.\n  statement {{\n{body}\n  }}\n}}\n");
        std::fs::write(dir.path().join("a.tf"), text).unwrap();
        problems(&Module::read(dir.path())).join("\n")
    };
    let good = "    sid = \"S\"\n    actions = [\"a:B\"]\n    resources = [\"${var.arn}/*\"]";
    assert_eq!(statement(good), "");
    for (from, to, problem) in [
        ("a:B", "a:*", "by a pattern"),
        ("a:B", "*", "by a pattern"),
        ("${var.arn}/*", "*", "all resources"),
        ("    sid = \"S\"\n", "", "no sid"),
        ("resources", "resource", "does not name"),
    ] {
        let found = statement(&good.replace(from, to));
        assert!(found.contains(problem), "{problem}: {found}");
    }
}
