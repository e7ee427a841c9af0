//! Snapshots and files in a MinIO.

use floodmark_contracts::profile::detector::{DeliverySection, ExactlyOnceSection};
use object_store::{ObjectStore, ObjectStoreExt, aws::AmazonS3Builder};

use super::*;
use crate::{
    exactly_once::{Detector, exact, lag, run_until, written_so_far},
    sinks::{assert_each_record_once, hold_each_record_once_after_kills, with_files_in},
};

/// Names the program.
const MINIO: &str = "FLOODMARK_TEST_MINIO";

/// The name of who may do everything in it; [`PASSWORD`] goes with it.
const USER: &str = "minio of the test";

/// A MinIO with a bucket `lake`; killed when dropped.
struct Minio {
    child: Option<Child>,
    folder: PathBuf,
    port: u16,
    tls: bool,
}

impl Minio {
    /// With a certificate if there is one in `folder`.
    fn start(folder: &Path) -> Self {
        std::fs::create_dir_all(folder.join("minio/lake")).unwrap();
        std::fs::write(folder.join("user"), USER).unwrap();
        std::fs::write(folder.join("password"), PASSWORD).unwrap();
        let mut minio = Self {
            child: None,
            tls: folder.join("cert.pem").exists(),
            folder: folder.to_owned(),
            port: free_port(),
        };
        if minio.tls {
            std::fs::create_dir_all(folder.join("certs")).unwrap();
            for (from, to) in [("cert.pem", "public.crt"), ("key.pem", "private.key")] {
                std::fs::copy(folder.join(from), folder.join("certs").join(to)).unwrap();
            }
        }
        minio.resume();
        minio
    }

    fn resume(&mut self) {
        let log = std::fs::File::create(self.folder.join("minio.log")).unwrap();
        let child = Command::new(std::env::var_os(MINIO).unwrap())
            .args(["server", "--quiet", "--certs-dir"])
            .arg(self.folder.join("certs"))
            .args(["--address", &format!("127.0.0.1:{}", self.port)])
            .arg(self.folder.join("minio"))
            .env("MINIO_ROOT_USER", USER)
            .env("MINIO_ROOT_PASSWORD", PASSWORD)
            .env("MINIO_BROWSER", "off")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
        // Whoever may list the bucket finds it up.
        wait_until("no MinIO", || self.names("").is_ok(), || ());
    }

    /// SIGKILL.
    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn section(&self) -> serde_json::Value {
        let scheme = if self.tls { "https" } else { "http" };
        serde_json::json!({
            "endpoint": format!("{scheme}://127.0.0.1:{}", self.port),
            "access_key": {"file": self.folder.join("user")},
            "secret_key": {"file": self.folder.join("password")},
        })
    }

    /// Asks it as anybody could, not as the detector does.
    fn ask<T>(
        &self,
        ask: impl AsyncFnOnce(&dyn ObjectStore) -> object_store::Result<T>,
    ) -> object_store::Result<T> {
        let section = self.section();
        let mut options = object_store::ClientOptions::new().with_allow_http(true);
        if self.tls {
            let pem = std::fs::read(self.folder.join("ca.pem")).unwrap();
            let authority = object_store::Certificate::from_pem(&pem)?;
            options = options.with_root_certificate(authority);
        }
        let store = AmazonS3Builder::new()
            .with_endpoint(section["endpoint"].as_str().unwrap())
            .with_access_key_id(USER)
            .with_secret_access_key(PASSWORD)
            .with_bucket_name("lake")
            .with_client_options(options)
            .with_retry(object_store::RetryConfig {
                max_retries: 0,
                ..Default::default()
            })
            .build()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(ask(&store))
    }

    /// The names below a prefix.
    fn names(&self, prefix: &str) -> object_store::Result<Vec<object_store::path::Path>> {
        use futures_util::TryStreamExt as _;
        let prefix = object_store::path::Path::from(prefix);
        self.ask(async |store| {
            store
                .list(Some(&prefix))
                .map_ok(|object| object.location)
                .try_collect()
                .await
        })
    }

    /// All lines of all files of a sink, sorted; each file is whole.
    fn lines(&self, sink: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for name in self.names(&format!("files/{sink}")).unwrap() {
            let read = self.ask(async |store| store.get(&name).await?.bytes().await);
            let text = String::from_utf8(read.unwrap().to_vec()).unwrap();
            assert!(
                name.as_ref().ends_with(".jsonl") && text.ends_with('\n'),
                "half a file: {name}"
            );
            lines.extend(text.lines().map(str::to_owned));
        }
        lines.sort_unstable();
        lines
    }
}

impl Drop for Minio {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Lets a detector keep its snapshots and its files there.
fn keep_all_in(minio: &Minio, world: &mut World) {
    with_files_in(world, "s3://lake/files");
    let section = &mut world.job.section;
    section.s3 = serde_json::from_value(minio.section()).unwrap();
    section.delivery = DeliverySection::ExactlyOnce(ExactlyOnceSection {
        snapshots: "s3://lake/state".into(),
        snapshot_interval: "150ms".into(),
    });
}

#[test]
#[ignore = "needs a MinIO: ci/stores"]
fn snapshots_and_files_in_s3_survive_kills_of_the_detector_and_of_the_store() {
    let mut world = exact(&[Stream::Clickstream]);
    // The world is gone when the store is looked at for the last time.
    let home = tempfile::tempdir().unwrap();
    let minio = Minio::start(home.path());
    keep_all_in(&minio, &mut world);
    let minio = std::cell::RefCell::new(minio);
    let lines = |sink: &str| minio.borrow().lines(sink);
    hold_each_record_once_after_kills(world, &lines, |world, kill, part| {
        let mut minio = minio.borrow_mut();
        if kill % 2 == 1 {
            // The detector goes on without the store, and what it could not write is there later.
            minio.stop();
            let before = written_so_far(world) - lag(world);
            let moved = || written_so_far(world) - lag(world) > before + 600;
            wait_until("it waits for the store", moved, || {
                write_visits(world, *part);
                *part += 1;
            });
            minio.resume();
        }
        if kill == 3 {
            let snapshots = minio.names("state").unwrap();
            assert!(!snapshots.is_empty(), "no snapshot was written");
        }
    });
    let snapshots = minio.borrow().names("state/detector").unwrap();
    // Two for each partition of the input and of the exchange, but for those that a killed process could not delete.
    assert!((2..200).contains(&snapshots.len()), "{snapshots:?}");
}

#[test]
#[ignore = "needs a MinIO: ci/stores"]
fn a_process_that_takes_over_waits_for_a_store_that_is_away() {
    let mut world = exact(&[Stream::Clickstream]);
    let home = tempfile::tempdir().unwrap();
    let mut minio = Minio::start(home.path());
    keep_all_in(&minio, &mut world);
    let stop = AtomicBool::new(false);
    let mut part = 0;
    thread::scope(|scope| {
        let _stops = StopAll(std::slice::from_ref(&stop));
        let dies = Detector::start(&world);
        run_until(scope, &world, 1, &stop);
        let has_members = |n| {
            let group = world.admin().group(&world.job.group).unwrap();
            group.is_some_and(|group| group.is_stable() && group.members.len() == n)
        };
        wait_until("the group is not complete", || has_members(2), || ());
        // Snapshots of something: names begin with offsets.
        let of_both = |part: i64| {
            (0..2).all(|partition| {
                let folder = format!("state/detector/clickstream-events/{partition}");
                let names = minio.names(&folder).unwrap();
                let offsets = names
                    .iter()
                    .filter_map(|name| name.filename()?.split('-').next());
                part >= 30
                    && offsets
                        .map(|digits| digits.parse::<i64>().unwrap())
                        .any(|at| at > 0)
            })
        };
        while !of_both(part) {
            assert!(part < 1000, "there are no snapshots");
            write_visits(&world, part);
            part += 1;
        }
        minio.stop();
        dies.kill();
        wait_until("the dead one is not missed", || has_members(1), || ());
        minio.resume();
        write_end(&world, part);
        wait_until("not all is read", || lag(&world) == 0, || ());
    });
    world.detect();
    assert_each_record_once(world, &|sink| minio.lines(sink), part);
}

#[test]
#[ignore = "needs a MinIO: ci/stores"]
fn parquet_files_go_to_s3_over_tls_and_only_if_it_can_be_trusted() {
    let mut world = exact(&[Stream::Clickstream]);
    certificates(world.folder.path());
    let minio = Minio::start(world.folder.path());
    keep_all_in(&minio, &mut world);
    let roll = serde_json::json!({"format": "parquet", "size": 2000, "age": "30ms"});
    world.job.section.sinks = sinks(serde_json::json!({
        "clicks": {"click-files": {"folder": "s3://lake/files/clicks", "roll": roll}},
    }));
    let stop = AtomicBool::new(false);
    write_visits(&world, 0);
    world.job.section.s3.ca = Some(world.folder.path().join("ca.pem").display().to_string());
    let (facts, _) = world.detect();
    assert_eq!(facts.sinks["clicks"].written, 60, "{:?}", facts.sinks);
    let names = minio.names("files/clicks").unwrap();
    let parquet = |name: &object_store::path::Path| name.as_ref().ends_with(".parquet");
    assert!(!names.is_empty() && names.iter().all(parquet), "{names:?}");
    let magic = minio.ask(async |store| store.get(&names[0]).await?.bytes().await);
    assert!(magic.unwrap().starts_with(b"PAR1"));
    assert!(!minio.names("state").unwrap().is_empty());

    world.job.section.s3.ca = None;
    world.job.section.restarts = 0;
    let clock = SystemClock::new();
    let refused = run(&world.job, &clock, &stop, &mut Vec::new(), &mut |_| ());
    assert!(format!("{:?}", refused.unwrap_err()).contains("ertificate"));
}

#[test]
#[ignore = "needs a MinIO: ci/stores"]
fn wrong_keys_and_a_bucket_that_is_not_there_are_told_at_once() {
    let mut world = exact(&[Stream::Clickstream]);
    let minio = Minio::start(world.folder.path());
    keep_all_in(&minio, &mut world);
    let told = |world: &World| {
        let stop = AtomicBool::new(false);
        let clock = SystemClock::new();
        let error = run(&world.job, &clock, &stop, &mut Vec::new(), &mut |_| ()).unwrap_err();
        format!("{error:?}")
    };
    let right = world.job.section.delivery.clone();
    world.job.section.delivery = DeliverySection::ExactlyOnce(ExactlyOnceSection {
        snapshots: "s3://no-such-bucket/state".into(),
        snapshot_interval: "150ms".into(),
    });
    let error = told(&world);
    assert!(error.contains("NoSuchBucket"), "{error}");
    world.job.section.delivery = right;
    std::fs::write(world.folder.path().join("password"), "another one").unwrap();
    let error = told(&world);
    assert!(
        error.contains("SignatureDoesNotMatch") && !error.contains("another one"),
        "{error}"
    );
}

#[test]
#[ignore = "needs a MinIO: ci/stores"]
fn a_sink_that_is_refused_takes_the_key_that_is_there_later() {
    let mut world = World::new(&[Stream::Clickstream]);
    let home = tempfile::tempdir().unwrap();
    let minio = Minio::start(home.path());
    with_files_in(&mut world, "s3://lake/files");
    world.job.section.s3 = serde_json::from_value(minio.section()).unwrap();
    std::fs::write(home.path().join("password"), "the one of yesterday").unwrap();
    write_visits(&world, 0);
    let facts = while_detecting(&world, || {
        // Who is refused leaves its group, and comes again as another member.
        let mut first = None;
        let came_again = || {
            let group = world.admin().group("detector-clicks").unwrap();
            let member = group.and_then(|group| Some(group.members.first()?.id.clone()));
            first = first.take().or_else(|| member.clone());
            first.is_some() && member != first
        };
        wait_until("it is not refused", came_again, || ());
        std::fs::write(home.path().join("password"), PASSWORD).unwrap();
        wait_until("no files", || minio.lines("clicks").len() == 60, || ());
    });
    assert!(facts.sinks["clicks"].failures > 0, "{:?}", facts.sinks);
}
