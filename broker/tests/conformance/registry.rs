//! One suite for two schema registries: the embedded one, and a real one when `FLOODMARK_REGISTRY=URL` names
//! it. What differs on purpose is listed in [`DIFFERENCES`]; nothing else may.

use std::sync::atomic::{AtomicU32, Ordering};

use floodmark_broker::registry;
use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::table::{self, Page};

const A: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const A_B: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string","default":""}]}"#;
const A_C: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"c","type":"string"}]}"#;
const A_STRING: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;

static NEXT_NAME: AtomicU32 = AtomicU32::new(0);

/// A registry under test.
pub(crate) struct Registry {
    url: String,
    client: Client,
}

/// Where the real registry and ours do not answer alike, and why ours answers as it does.
const DIFFERENCES: &str = "
## Where the registries differ on purpose

The real one here is Apicurio Registry 2.6, behind its Confluent API; where it differs from Confluent's own
documentation, ours follows the documentation.

| what | embedded | Apicurio 2.6 | why |
|---|---|---|---|
| level where none is set | `BACKWARD` | `NONE` | documented default |
| the same schema with other white space | the same id and version | a new id and version | documented: schemas are compared parsed |
| `versions/zero`, `versions/0` | 422, code 42202 | 404, code 40402 | documented code |
| `PUT /config` with an unknown level | 422, code 42203 | 400, a text | documented code |
| a body that is not JSON | 400 with a JSON body | 400, a text | clients parse the body |
| an empty schema | 422, code 42201 | registered | it is not a schema |
| fields that are not served (`ruleSet`, `references` with entries) | 422 | accepted | better refused than ignored |
| deleting twice, or for good too early | 404 with codes 40404 to 40407 | 409 for some of them | documented status; the codes are equal |
| compatibility with `latest` of an unknown subject | compatible | 404 | documented: nothing to be incompatible with |
| the reason, when `verbose=true` | `messages` | `reason` | documented field |
| a subject's level when it has none of its own | 404, code 40408 | the global level | documented; `defaultToGlobal=true` gives it in both |
| `/mode` | READWRITE and READONLY | not served | clients set it before migrations |
| `/schemas/ids/N/schema`, `/schemas/ids/N/subjects` | served | not served | documented |
| content type of answers | `application/vnd.schemaregistry.v1+json` | `application/json` | documented |
";

macro_rules! roster {
    ($($case:ident),+ $(,)?) => {
        const CASES: &[(&str, fn(&Registry))] = &[$((concat!("registry::", stringify!($case)), $case),)+];

        mod embedded {
            $(#[test]
            fn $case() {
                super::on_embedded(super::$case);
            })+
        }
    };
}

roster! {
    a_schema_is_registered_once,
    one_schema_has_one_id_in_all_subjects,
    versions_are_read_by_number_and_by_latest,
    schemas_are_read_by_id,
    what_is_not_there_is_said_by_its_code,
    a_schema_is_looked_up_in_its_subject,
    what_is_not_avro_is_refused,
    levels_are_set_read_and_taken_away,
    a_backward_subject_refuses_a_new_field_without_default,
    a_forward_subject_refuses_a_removed_field_without_default,
    a_full_subject_wants_both_directions,
    a_transitive_subject_looks_at_all_versions,
    a_subject_without_a_level_of_none_takes_anything,
    compatibility_is_told_without_registering,
    a_deleted_version_hides_until_it_is_removed,
    a_deleted_subject_hides_until_it_is_removed,
    a_registered_schema_encodes_and_decodes,
}

#[test]
fn real_registry_agrees() {
    let Some(url) = std::env::var("FLOODMARK_REGISTRY")
        .ok()
        .filter(|s| !s.is_empty())
    else {
        println!("skipped real_registry_agrees: FLOODMARK_REGISTRY=URL names no registry");
        return;
    };
    let real = Registry::new(&url);
    let rows = table::run(CASES, 1, on_embedded, |case| case(&real));
    let page = Page {
        heading: "## Schema registry",
        real: "Apicurio 2.6",
        differences: DIFFERENCES,
    };
    table::publish(&page, &rows, "registry.md");
}

/// Not among the cases: a level for all subjects of a real registry would not leave the other cases alone.
#[test]
fn the_global_level_holds_where_a_subject_has_none() {
    on_embedded(|registry| {
        let (own, other) = (registry.subject_at("BACKWARD", &[A]), registry.subject());
        registry.registered(&other, A);
        let body = json!({"compatibility": "NONE"});
        assert_eq!(
            registry.ask(Method::PUT, "/config", Some(body.clone())),
            (200, body)
        );
        assert_eq!(
            registry.get("/config"),
            (200, json!({"compatibilityLevel": "NONE"}))
        );
        assert_eq!(
            registry.register(&own, A_STRING).0,
            409,
            "its own level goes first"
        );
        assert_eq!(registry.register(&other, A_STRING).0, 200);
        let sideways = registry.ask(
            Method::PUT,
            "/config",
            Some(json!({"compatibility": "SIDEWAYS"})),
        );
        assert_eq!((sideways.0, code(&sideways)), (422, 42203));
    });
}

#[test]
fn a_read_only_registry_answers_and_does_not_change() {
    on_embedded(|registry| {
        let subject = registry.subject();
        let id = registry.registered(&subject, A);
        let put = |mode| registry.ask(Method::PUT, "/mode", Some(json!({"mode": mode})));
        assert_eq!(put("READONLY"), (200, json!({"mode": "READONLY"})));
        let refused = registry.register(&subject, A_B);
        assert_eq!((refused.0, code(&refused)), (422, 42205));
        assert_eq!(registry.get(&format!("/schemas/ids/{id}")).0, 200);
        assert_eq!(code(&put("IMPORT")), 42204);
        assert_eq!(put("READWRITE").0, 200);
        assert_eq!(registry.register(&subject, A_B).0, 200);
    });
}

/// Clients look at the type of an answer, and read an error's body whatever went wrong.
#[test]
fn every_answer_is_json_of_the_registrys_type() {
    on_embedded(|registry| {
        for path in ["/subjects", "/nowhere", "/subjects/unknown/versions"] {
            let response = registry
                .client
                .get(format!("{}{path}", registry.url))
                .send()
                .unwrap();
            let content_type = response.headers()["content-type"]
                .to_str()
                .unwrap()
                .to_owned();
            assert_eq!(
                content_type, "application/vnd.schemaregistry.v1+json",
                "{path}"
            );
        }
        assert_eq!(code(&registry.get("/nowhere")), 404);
        assert_eq!(code(&registry.ask(Method::PATCH, "/subjects", None)), 405);
        let huge = json!({"schema": "x".repeat(2 << 20)}).to_string();
        let url = format!("{}/subjects/s/versions", registry.url);
        let status = registry
            .client
            .post(url)
            .body(huge)
            .send()
            .map(|r| r.status().as_u16());
        assert_eq!(
            status.ok(),
            Some(413),
            "a body of two megabytes is not read"
        );
    });
}

fn on_embedded(case: fn(&Registry)) {
    let server = registry::start(([127, 0, 0, 1], 0).into()).expect("the registry starts");
    case(&Registry::new(&server.url()));
}

impl Registry {
    fn new(url: &str) -> Self {
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            url: url.to_owned(),
            client,
        }
    }

    fn subject(&self) -> String {
        let n = NEXT_NAME.fetch_add(1, Ordering::Relaxed);
        format!("subject-{}-{n}", std::process::id())
    }

    /// The status and the body of the answer, parsed.
    fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request
                .header("content-type", "application/vnd.schemaregistry.v1+json")
                .body(body.to_string());
        }
        let response = request.send().expect("the registry answers");
        let status = response.status().as_u16();
        let text = response.text().expect("the answer is text");
        let value = serde_json::from_str(&text);
        (
            status,
            value.unwrap_or_else(|error| panic!("`{path}` gave {text:?}: {error}")),
        )
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, None)
    }

    fn delete(&self, path: &str) -> (u16, Value) {
        self.ask(Method::DELETE, path, None)
    }

    fn post_schema(&self, path: &str, schema: &str) -> (u16, Value) {
        self.ask(Method::POST, path, Some(json!({"schema": schema})))
    }

    fn register(&self, subject: &str, schema: &str) -> (u16, Value) {
        self.post_schema(&format!("/subjects/{subject}/versions"), schema)
    }

    /// Registers and gives the id.
    fn registered(&self, subject: &str, schema: &str) -> i64 {
        let (status, answer) = self.register(subject, schema);
        assert_eq!(status, 200, "registering gave {answer}");
        answer["id"].as_i64().expect("the id is a number")
    }

    /// A fresh subject at a level, with its versions.
    fn subject_at(&self, level: &str, schemas: &[&str]) -> String {
        let subject = self.subject();
        // A real registry may know levels only for subjects that exist: the first version comes first.
        self.registered(&subject, schemas[0]);
        self.set_level(&subject, "NONE");
        for schema in &schemas[1..] {
            self.registered(&subject, schema);
        }
        self.set_level(&subject, level);
        subject
    }

    fn set_level(&self, subject: &str, level: &str) {
        let body = json!({"compatibility": level});
        let answer = self.ask(
            Method::PUT,
            &format!("/config/{subject}"),
            Some(body.clone()),
        );
        assert_eq!(answer, (200, body));
    }

    fn versions(&self, subject: &str) -> Value {
        self.get(&format!("/subjects/{subject}/versions")).1
    }
}

fn code(answer: &(u16, Value)) -> i64 {
    answer.1["error_code"]
        .as_i64()
        .unwrap_or_else(|| panic!("{answer:?} is not an error"))
}

fn a_schema_is_registered_once(registry: &Registry) {
    let subject = registry.subject();
    let id = registry.registered(&subject, A);
    assert_eq!(registry.registered(&subject, A), id);
    assert_eq!(registry.versions(&subject), json!([1]));
    assert_ne!(registry.registered(&subject, A_B), id);
    assert_eq!(registry.versions(&subject), json!([1, 2]));
    let (_, subjects) = registry.get("/subjects");
    assert!(
        subjects.as_array().unwrap().contains(&json!(subject)),
        "{subjects}"
    );
}

fn one_schema_has_one_id_in_all_subjects(registry: &Registry) {
    let (first, second) = (registry.subject(), registry.subject());
    let id = registry.registered(&first, A);
    assert_eq!(registry.registered(&second, A), id);
    let (_, holders) = registry.get(&format!("/schemas/ids/{id}/versions"));
    for subject in [first, second] {
        let holder = json!({"subject": subject, "version": 1});
        assert!(holders.as_array().unwrap().contains(&holder), "{holders}");
    }
}

fn versions_are_read_by_number_and_by_latest(registry: &Registry) {
    let subject = registry.subject();
    registry.registered(&subject, A);
    let id = registry.registered(&subject, A_B);
    for version in ["2", "latest", "-1"] {
        let (status, found) = registry.get(&format!("/subjects/{subject}/versions/{version}"));
        assert_eq!(status, 200, "{version}");
        assert_eq!(found["subject"], json!(subject));
        assert_eq!(
            (&found["version"], &found["id"]),
            (&json!(2), &json!(id)),
            "{version}"
        );
        assert_eq!(found["schema"], json!(A_B), "{version}");
    }
    let (_, schema) = registry.get(&format!("/subjects/{subject}/versions/1/schema"));
    assert_eq!(
        schema,
        serde_json::from_str::<Value>(A).unwrap(),
        "the schema itself, unwrapped"
    );
}

fn schemas_are_read_by_id(registry: &Registry) {
    let id = registry.registered(&registry.subject(), A);
    let (status, found) = registry.get(&format!("/schemas/ids/{id}"));
    assert_eq!((status, &found["schema"]), (200, &json!(A)));
    let (_, types) = registry.get("/schemas/types");
    assert!(
        types.as_array().unwrap().contains(&json!("AVRO")),
        "{types}"
    );
}

fn what_is_not_there_is_said_by_its_code(registry: &Registry) {
    let (known, unknown) = (registry.subject(), registry.subject());
    registry.registered(&known, A);
    for (path, wanted) in [
        (format!("/subjects/{unknown}/versions"), 40401),
        (format!("/subjects/{unknown}/versions/1"), 40401),
        (format!("/subjects/{known}/versions/9"), 40402),
        ("/schemas/ids/999999".to_owned(), 40403),
    ] {
        let answer = registry.get(&path);
        assert_eq!((answer.0, code(&answer)), (404, wanted), "{path}");
        assert!(
            !answer.1["message"].as_str().unwrap().is_empty(),
            "{path} says why"
        );
    }
    let answer = registry.delete(&format!("/subjects/{unknown}"));
    assert_eq!((answer.0, code(&answer)), (404, 40401));
    let answer = registry.delete(&format!("/subjects/{known}/versions/9"));
    assert_eq!((answer.0, code(&answer)), (404, 40402));
}

fn a_schema_is_looked_up_in_its_subject(registry: &Registry) {
    let (subject, unknown) = (registry.subject(), registry.subject());
    let id = registry.registered(&subject, A);
    let (status, found) = registry.post_schema(&format!("/subjects/{subject}"), A);
    assert_eq!(
        (status, &found["id"], &found["version"]),
        (200, &json!(id), &json!(1))
    );
    let other = registry.post_schema(&format!("/subjects/{subject}"), A_STRING);
    assert_eq!((other.0, code(&other)), (404, 40403));
    let nowhere = registry.post_schema(&format!("/subjects/{unknown}"), A);
    assert_eq!((nowhere.0, code(&nowhere)), (404, 40401));
}

fn what_is_not_avro_is_refused(registry: &Registry) {
    let subject = registry.subject();
    for text in ["not json", r#"{"type":"nonsense"}"#] {
        let answer = registry.register(&subject, text);
        assert_eq!((answer.0, code(&answer)), (422, 42201), "{text}");
    }
    assert_eq!(
        registry.get(&format!("/subjects/{subject}/versions")).0,
        404,
        "no trace is left"
    );
}

fn levels_are_set_read_and_taken_away(registry: &Registry) {
    let subject = registry.subject_at("FULL_TRANSITIVE", &[A]);
    let path = format!("/config/{subject}");
    let full = (200, json!({"compatibilityLevel": "FULL_TRANSITIVE"}));
    assert_eq!(registry.get(&path), full);
    assert_eq!(registry.delete(&path), full);
    let (_, global) = registry.get("/config");
    let (_, fallback) = registry.get(&format!("{path}?defaultToGlobal=true"));
    assert_eq!(fallback, global);
    let nowhere = registry.delete(&format!("/config/{}", registry.subject()));
    assert_eq!((nowhere.0, code(&nowhere)), (404, 40401));
}

fn a_backward_subject_refuses_a_new_field_without_default(registry: &Registry) {
    let subject = registry.subject_at("BACKWARD", &[A]);
    let refused = registry.register(&subject, A_C);
    assert_eq!((refused.0, code(&refused)), (409, 409));
    assert_eq!(registry.versions(&subject), json!([1]));
    assert_eq!(registry.register(&subject, A_B).0, 200);
}

fn a_forward_subject_refuses_a_removed_field_without_default(registry: &Registry) {
    let subject = registry.subject_at("FORWARD", &[A_C]);
    assert_eq!(registry.register(&subject, A).0, 409);
    let subject = registry.subject_at("FORWARD", &[A]);
    assert_eq!(registry.register(&subject, A_C).0, 200);
}

fn a_full_subject_wants_both_directions(registry: &Registry) {
    let subject = registry.subject_at("FULL", &[A]);
    assert_eq!(registry.register(&subject, A_C).0, 409);
    assert_eq!(registry.register(&subject, A_B).0, 200);
    let subject = registry.subject_at("FULL", &[A_C]);
    assert_eq!(registry.register(&subject, A).0, 409);
}

fn a_transitive_subject_looks_at_all_versions(registry: &Registry) {
    let first = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
    let second = r#"{"type":"record","name":"R","fields":[{"name":"b","type":"int","default":0}]}"#;
    let third =
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string","default":""}]}"#;
    let subject = registry.subject_at("BACKWARD_TRANSITIVE", &[first, second]);
    assert_eq!(
        registry.register(&subject, third).0,
        409,
        "the first version holds numbers"
    );
    registry.set_level(&subject, "BACKWARD");
    assert_eq!(
        registry.register(&subject, third).0,
        200,
        "the last version has no such field"
    );
}

fn a_subject_without_a_level_of_none_takes_anything(registry: &Registry) {
    let subject = registry.subject_at("NONE", &[A, A_STRING]);
    assert_eq!(registry.register(&subject, r#""string""#).0, 200);
    assert_eq!(registry.versions(&subject), json!([1, 2, 3]));
}

fn compatibility_is_told_without_registering(registry: &Registry) {
    let subject = registry.subject_at("BACKWARD", &[A]);
    let ask = |version: &str, schema: &str| {
        registry.post_schema(
            &format!("/compatibility/subjects/{subject}/versions{version}"),
            schema,
        )
    };
    for version in ["", "/latest", "/1"] {
        let (status, answer) = ask(version, A_B);
        assert_eq!(
            (status, &answer["is_compatible"]),
            (200, &json!(true)),
            "`{version}`"
        );
        let (status, answer) = ask(version, A_STRING);
        assert_eq!(
            (status, &answer["is_compatible"]),
            (200, &json!(false)),
            "`{version}`"
        );
    }
    let missing = ask("/9", A_B);
    assert_eq!((missing.0, code(&missing)), (404, 40402));
    let nonsense = ask("/latest", r#"{"type":"nonsense"}"#);
    assert_eq!((nonsense.0, code(&nonsense)), (422, 42201));
    assert_eq!(
        registry.versions(&subject),
        json!([1]),
        "nothing was registered"
    );
}

fn a_deleted_version_hides_until_it_is_removed(registry: &Registry) {
    let subject = registry.subject_at("NONE", &[A, A_B]);
    let path = format!("/subjects/{subject}/versions/1");
    let too_early = registry.delete(&format!("{path}?permanent=true"));
    assert_eq!(code(&too_early), 40407);
    assert_eq!(registry.delete(&path), (200, json!(1)));
    assert_eq!(code(&registry.delete(&path)), 40406);
    assert_eq!(code(&registry.get(&path)), 40402);
    assert_eq!(registry.get(&format!("{path}?deleted=true")).0, 200);
    assert_eq!(registry.versions(&subject), json!([2]));
    let (_, all) = registry.get(&format!("/subjects/{subject}/versions?deleted=true"));
    assert_eq!(all, json!([1, 2]));
    assert_eq!(
        registry.delete(&format!("{path}?permanent=true")),
        (200, json!(1))
    );
    assert_eq!(code(&registry.get(&format!("{path}?deleted=true"))), 40402);
}

fn a_deleted_subject_hides_until_it_is_removed(registry: &Registry) {
    let subject = registry.subject_at("NONE", &[A, A_B]);
    let path = format!("/subjects/{subject}");
    assert_eq!(
        code(&registry.delete(&format!("{path}?permanent=true"))),
        40405
    );
    assert_eq!(registry.delete(&path), (200, json!([1, 2])));
    assert_eq!(code(&registry.delete(&path)), 40404);
    let names = |query: &str| registry.get(&format!("/subjects{query}")).1;
    let listed = |names: &Value| names.as_array().unwrap().contains(&json!(subject));
    assert!(!listed(&names("")), "it is hidden");
    assert!(listed(&names("?deleted=true")), "it is still there");
    assert_eq!(
        registry.delete(&format!("{path}?permanent=true")),
        (200, json!([1, 2]))
    );
    assert!(!listed(&names("?deleted=true")), "it is gone");
}

/// Through a client that knows nothing of this suite.
fn a_registered_schema_encodes_and_decodes(registry: &Registry) {
    use apache_avro::types::Value as Avro;
    use schema_registry_converter::blocking::avro::{AvroDecoder, AvroEncoder};
    use schema_registry_converter::blocking::schema_registry::SrSettings;
    use schema_registry_converter::schema_registry_common::{
        SchemaType, SubjectNameStrategy, SuppliedSchema,
    };

    let topic = registry.subject();
    let settings = || {
        SrSettings::new_builder(registry.url.clone())
            .no_proxy()
            .build()
            .unwrap()
    };
    let schema = SuppliedSchema::new(Some("R".to_owned()), SchemaType::Avro, A_B.to_owned());
    let strategy = SubjectNameStrategy::TopicNameStrategyWithSchema(topic.clone(), false, schema);
    let encoder = AvroEncoder::new(settings());
    let bytes = encoder
        .encode(
            vec![("a", Avro::Int(7)), ("b", Avro::String("seven".to_owned()))],
            &strategy,
        )
        .expect("the value is encoded with a schema that is registered on the way");
    let (_, found) = registry.get(&format!("/subjects/{topic}-value/versions/latest"));
    let id = u32::from_be_bytes(bytes[1..5].try_into().unwrap());
    assert_eq!(
        (bytes[0], &found["id"]),
        (0, &json!(id)),
        "the wire format names the schema"
    );
    let decoded = AvroDecoder::new(settings())
        .decode(Some(&bytes))
        .expect("the value is decoded");
    let wanted = [("a", Avro::Int(7)), ("b", Avro::String("seven".to_owned()))];
    let wanted = wanted.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(decoded.value, Avro::Record(wanted.to_vec()));
}
