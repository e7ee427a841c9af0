use super::*;

const INT: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const INT_SPACED: &str =
    r#"{ "type": "record", "name": "R", "fields": [ {"name": "a", "type": {"type": "int"}} ] }"#;
const DOCUMENTED: &str =
    r#"{"type":"record","name":"R","doc":"why","fields":[{"name":"a","type":"int"}]}"#;
const STRING: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;

fn subject_not_found() -> RegistryError {
    RegistryError::SubjectNotFound {
        subject: "s".to_owned(),
    }
}

#[test]
fn one_schema_has_one_id_everywhere() {
    let mut store = Store::new();
    assert_eq!(store.register("s", INT), Ok(1));
    assert_eq!(store.register("s", INT), Ok(1), "again changes nothing");
    assert_eq!(
        store.register("s", INT_SPACED),
        Ok(1),
        "white space is no difference"
    );
    assert_eq!(store.register("t", INT), Ok(1));
    assert_eq!(
        store.register("s", DOCUMENTED),
        Ok(2),
        "documentation is one"
    );
    assert_eq!(store.versions("s", Scope::Live), Ok(vec![1, 2]));
    let holders = vec![("s".to_owned(), 1), ("t".to_owned(), 1)];
    assert_eq!(store.holders(1, Scope::Live), Ok(holders));
    assert_eq!(
        store.schema(1),
        Ok(INT),
        "the text is kept as it was first registered"
    );
}

#[test]
fn an_incompatible_schema_is_refused_and_leaves_no_trace() {
    let mut store = Store::new();
    store.register("s", INT).unwrap();
    assert_eq!(store.register("s", STRING).unwrap_err().code(), 409);
    assert_eq!(store.versions("s", Scope::Live), Ok(vec![1]));
    assert_eq!(store.schema(2).unwrap_err().code(), 40403);
    store.set_level("s", Level::parse("NONE").unwrap());
    assert_eq!(store.register("s", STRING), Ok(2));
}

#[test]
fn the_subjects_own_level_goes_before_the_global_one() {
    let mut store = Store::new();
    store.register("s", INT).unwrap();
    store.set_global_level(Level::parse("NONE").unwrap());
    assert_eq!(store.compatibility("s", STRING, None), Ok(vec![]));
    store.set_level("s", Level::parse("FULL").unwrap());
    assert_eq!(
        store.compatibility("s", STRING, None).unwrap().len(),
        2,
        "in both directions"
    );
    assert_eq!(store.delete_level("s"), Level::parse("FULL"));
    assert_eq!(store.level("s").unwrap_err().code(), 40408);
    assert_eq!(store.compatibility("s", STRING, None), Ok(vec![]));
}

#[test]
fn one_version_can_be_compared_with() {
    let mut store = Store::new();
    store.set_global_level(Level::parse("NONE").unwrap());
    store.register("s", STRING).unwrap();
    store.register("s", INT).unwrap();
    store.set_global_level(Level::DEFAULT);
    let against = |which| store.compatibility("s", INT, Some(which)).map(|r| r.len());
    assert_eq!(against(Which::Latest), Ok(0));
    assert_eq!(against(Which::Number(1)), Ok(1));
    assert_eq!(against(Which::Number(3)).unwrap_err().code(), 40402);
    assert_eq!(
        store.compatibility("new", INT, Some(Which::Latest)),
        Ok(vec![])
    );
}

#[test]
fn deleted_versions_hide_then_vanish() {
    let mut store = Store::new();
    store.register("s", INT).unwrap();
    store.register("s", DOCUMENTED).unwrap();
    assert_eq!(
        store
            .purge_version("s", Which::Number(1))
            .unwrap_err()
            .code(),
        40407
    );
    assert_eq!(store.delete_version("s", Which::Number(1)), Ok(1));
    assert_eq!(
        store
            .delete_version("s", Which::Number(1))
            .unwrap_err()
            .code(),
        40406
    );
    assert_eq!(store.versions("s", Scope::Live), Ok(vec![2]));
    assert_eq!(store.versions("s", Scope::WithDeleted), Ok(vec![1, 2]));
    assert_eq!(store.schema(1), Ok(INT), "old data stays readable");
    assert_eq!(
        store.look_up("s", INT, Scope::Live).unwrap_err().code(),
        40403
    );
    assert_eq!(
        store
            .look_up("s", INT, Scope::WithDeleted)
            .map(|f| f.version),
        Ok(1)
    );
    assert_eq!(store.purge_version("s", Which::Number(1)), Ok(1));
    assert_eq!(store.schema(1).unwrap_err().code(), 40403);
    assert_eq!(
        store.register("s", INT),
        Ok(3),
        "an id is never given out twice"
    );
    assert_eq!(store.versions("s", Scope::Live), Ok(vec![2, 3]));
}

#[test]
fn deleted_subjects_hide_then_vanish() {
    let mut store = Store::new();
    store.register("s", INT).unwrap();
    store.register("t", INT).unwrap();
    assert_eq!(store.purge_subject("s").unwrap_err().code(), 40405);
    assert_eq!(store.delete_subject("s"), Ok(vec![1]));
    assert_eq!(store.delete_subject("s").unwrap_err().code(), 40404);
    assert_eq!(store.versions("s", Scope::Live), Err(subject_not_found()));
    assert_eq!(store.subjects(Scope::Live), ["t"]);
    assert_eq!(store.subjects(Scope::WithDeleted), ["s", "t"]);
    assert_eq!(store.purge_subject("s"), Ok(vec![1]));
    assert_eq!(store.purge_subject("s"), Err(subject_not_found()));
    assert_eq!(store.schema(1), Ok(INT), "the other subject still holds it");
    assert_eq!(store.register("s", INT), Ok(1));
    assert_eq!(
        store.versions("s", Scope::WithDeleted),
        Ok(vec![1]),
        "versions start over"
    );
}

#[test]
fn a_deleted_version_is_no_obstacle_and_its_number_stays_taken() {
    let mut store = Store::new();
    store.register("s", INT).unwrap();
    store.delete_subject("s").unwrap();
    assert_eq!(store.register("s", STRING), Ok(2));
    assert_eq!(store.versions("s", Scope::Live), Ok(vec![2]));
}

#[test]
fn a_read_only_subject_answers_and_does_not_change() {
    let mut store = Store::new();
    store.register("s", INT).unwrap();
    store.set_mode("s", Mode::ReadOnly);
    assert_eq!(store.register("s", INT), Ok(1), "it is there already");
    assert_eq!(store.register("s", DOCUMENTED).unwrap_err().code(), 42205);
    assert_eq!(store.delete_subject("s").unwrap_err().code(), 42205);
    assert_eq!(
        store.delete_version("s", Which::Latest).unwrap_err().code(),
        42205
    );
    assert_eq!(
        store.register("t", DOCUMENTED),
        Ok(2),
        "another subject is free"
    );
    store.set_global_mode(Mode::ReadOnly);
    assert_eq!(store.register("u", STRING).unwrap_err().code(), 42205);
    store.set_mode("u", Mode::ReadWrite);
    assert_eq!(store.register("u", STRING), Ok(3));
    assert_eq!(store.delete_mode("s"), Ok(Mode::ReadOnly));
    assert_eq!(store.mode("s").unwrap_err().code(), 40409);
}

#[test]
fn texts_that_are_no_schema_are_refused() {
    let mut store = Store::new();
    for text in [
        "",
        "not json",
        r#"{"type":"nonsense"}"#,
        "{}",
        "[\"int\",\"int\"]",
    ] {
        assert_eq!(
            store.register("s", text).unwrap_err().code(),
            42201,
            "{text}"
        );
    }
    assert_eq!(store.subjects(Scope::WithDeleted), Vec::<String>::new());
}

#[test]
fn versions_are_numbers_from_one_or_latest() {
    assert_eq!(Which::parse("latest"), Ok(Which::Latest));
    assert_eq!(Which::parse("-1"), Ok(Which::Latest));
    assert_eq!(Which::parse("7"), Ok(Which::Number(7)));
    for text in ["0", "-2", "first", "", "99999999999"] {
        assert_eq!(Which::parse(text).unwrap_err().code(), 42202, "{text}");
    }
}
