//! Layers, unknown keys and the rules between settings, as tables.

use std::io::Write;

use super::*;
use crate::notify::MailServer;

pub(super) fn resolve(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(file.as_bytes()).unwrap();
    let owned = |text: &str| text.to_owned();
    Config::resolve(&Layers {
        file: Some(written.path().to_owned()),
        env: env.iter().map(|(name, text)| (owned(name), owned(text))).collect(),
        flags: flags.iter().map(|(key, text)| (owned("--set"), owned(key), owned(text))).collect(),
    })
}

#[test]
fn the_later_layer_is_stronger() {
    let file = "[windows]\nlateness = \"20m\"\n";
    let (env, flag) = (("ODDSMILL_WINDOWS_LATENESS", "30m"), ("windows.lateness", "40m"));
    for (file, env, flags, minutes, origin) in [
        ("", &[][..], &[][..], 10, "default"),
        (file, &[], &[], 20, ":2"),
        (file, &[env], &[], 30, "env ODDSMILL_WINDOWS_LATENESS"),
        (file, &[env], &[flag], 40, "flag --set"),
    ] {
        let config = resolve(file, env, flags).unwrap();
        assert_eq!(config.lateness_ms, minutes * 60_000);
        let resolved = config.resolved.iter().find(|r| r.setting.key == "windows.lateness").unwrap();
        assert!(resolved.origin.to_string().ends_with(origin), "{} {origin}", resolved.origin);
    }
}

#[test]
fn what_is_not_set_is_as_a_node_has_it() {
    let options = resolve("", &[], &[]).unwrap().node_options(true);
    assert_eq!(format!("{options:?}"), format!("{:?}", NodeOptions::default()));
    assert_eq!(resolve("", &[], &[]).unwrap().sql, SqlOptions::default());
    assert_eq!(resolve("", &[], &[]).unwrap().vision, VisionOptions::default());
}

#[test]
fn values_have_their_types() {
    let config =
        resolve("data_dir = \"d\"\n[log]\nbets_shards = 1_6\ndurability = \"os\"\n[bets]\nnotify = false\n", &[], &[])
            .unwrap();
    assert_eq!((config.bets_shards, config.durability, config.notify), (16, Durability::Os, false));
    assert_eq!(config.data_dir, PathBuf::from("d"));
}

#[test]
fn what_is_wrong_names_the_place_and_the_way_out() {
    for (file, env, flags, expected) in [
        ("data-dir = \"x\"", &[][..], &[][..], vec![":1: ", "\"data-dir\"", "did you mean \"data_dir\"?"]),
        ("[log]\n\ndurabilty = \"os\"", &[], &[], vec![":3: ", "did you mean \"log.durability\"?"]),
        ("[log]\nxyz = 1", &[], &[], vec![":2: there is no setting \"log.xyz\"", "`oddsmill config` lists them"]),
        ("[log", &[], &[], vec![":1: "]),
        ("[bets]\nnotify = 1.5", &[], &[], vec![":2: ", "bets.notify is of type float"]),
        ("", &[("ODDSMILL_LOG_RETENTON", "1d")], &[], vec!["environment", "did you mean \"ODDSMILL_LOG_RETENTION\"?"]),
        ("", &[], &[("windows.latenes", "1d")], vec!["flag --set", "did you mean \"windows.lateness\"?"]),
        (
            "",
            &[("ODDSMILL_LOG_ADAPTER", "kafka")],
            &[],
            vec!["env ODDSMILL_LOG_ADAPTER", "this build has no kafka adapter"],
        ),
        (
            "[windows]\nlateness = \"10s\"",
            &[],
            &[],
            vec![":2: windows.lateness", "at least windows.disorder, which is 30s"],
        ),
        ("", &[], &[("bets.max_skew", "11m")], vec!["bets.max_skew", "at most windows.lateness, which is 10m"]),
        ("", &[], &[("mail.server", "sendmail")], vec!["flag --set", "smtp://USER:PASSWORD@HOST:PORT, ses, ses:CONF"]),
        ("", &[], &[("mail.server", "sns:x")], vec![if cfg!(feature = "aws") { "choose inbox" } else { "has no sns" }]),
        (
            "",
            &[],
            &[("mail.server", "ses:my set")],
            vec![if cfg!(feature = "aws") { "64 letters" } else { "build it with `--features aws`" }],
        ),
        ("", &[], &[("log.retention", "forever")], vec!["log.retention is \"forever\"", "such as 500ms"]),
        ("", &[], &[("log.bets_shards", "0")], vec!["from 1 to 1024"]),
        ("", &[], &[("sql.postgres", "5433")], vec!["sql.postgres is \"5433\"", "HOST:PORT such as 127.0.0.1:5433"]),
        ("", &[], &[("sql.memory", "512")], vec!["sql.memory", "512MiB or 2GiB"]),
        ("", &[], &[("sql.timeout", "0")], vec!["sql.timeout", "more than nothing"]),
    ] {
        let text = resolve(file, env, flags).unwrap_err().to_string();
        for part in expected {
            assert!(text.contains(part), "{text:?} lacks {part:?}");
        }
    }
}

#[test]
fn mails_go_where_the_setting_says() {
    let server = |text: &str| {
        let flags = [("mail.server", text), ("aws.prefix", "o-")];
        resolve("", &[], &flags).unwrap().mail.map(|mail| mail.server)
    };
    assert_eq!(server("none"), None);
    assert_eq!(server("inbox"), Some(MailServer::Inbox));
    assert_eq!(server("smtps://u:p@h"), Some(MailServer::Smtp("smtps://u:p@h".into())));
    if cfg!(feature = "aws") {
        let ses = |set: Option<&str>| {
            Some(MailServer::Ses { configuration_set: set.map(str::to_owned), prefix: "o-".into() })
        };
        assert_eq!([server("ses"), server("ses:bets_1")], [ses(None), ses(Some("bets_1"))]);
        assert_eq!(server("sns"), Some(MailServer::Sns { prefix: "o-".into() }));
    }
}

#[test]
fn variables_of_others_are_left_alone() {
    let env = [
        ("ODDSMILL_SERVICE_HOST", "10.0.0.1"),
        ("ODDSMILL_PORT", "tcp://10.0.0.1:80"),
        ("ODDSMILL_LOG_LEVEL", "debug"),
        ("HOME", "/"),
    ];
    resolve("", &env, &[]).unwrap();
}

#[test]
fn defaults_are_valid_and_have_help() {
    let config = resolve("", &[], &[]).unwrap();
    assert_eq!(config.resolved.len(), settings::SETTINGS.len());
    assert!(settings::SETTINGS.iter().all(|setting| setting.help.ends_with('.')));
}
