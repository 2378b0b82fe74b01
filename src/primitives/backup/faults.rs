//! Backups against a WebDAV server in memory: every fault has its own code and leaves nothing that looks like a backup.

use super::catalogue::LatestOptions;
use super::create::Begun;
use super::driver::Backups;
use super::error::BackupError;
use super::identity::Identities;
use super::manifest::{Content, Facts, Grade, MANIFEST};
use super::producer::{Produced, Producer};
use super::signature::Signet;
use crate::duration::Span;
use crate::effect::Permit;
use crate::event::Events;
use crate::webdav::standin::{Fault, Standin};
use age::x25519::{Identity, Recipient};
use base64::Engine as _;
use futures::FutureExt;
use futures::future::BoxFuture;
use miette::Diagnostic;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};

const RUN: &str = "01KAS3M8R4T5V6W7X8Y9Z0ABCD";

/// An output in memory that may fail at its end.
struct Canned {
    database: &'static str,
    bytes: usize,
    fails: bool,
}

struct Output {
    left: usize,
    first: bool,
    fails: bool,
}

impl Producer for Canned {
    fn title(&self) -> String {
        format!("database c/{}", self.database)
    }

    fn start(&self) -> BoxFuture<'_, Result<Produced, BackupError>> {
        let content = Content::Database { cluster: "c".into(), database: self.database.into(), facts: Facts::default() };
        let output = Box::new(Output { left: self.bytes, first: true, fails: self.fails });
        async move { Ok(Produced { content, output, tool: Some(("pg_dump".into(), "15.1".into())) }) }.boxed()
    }
}

impl AsyncRead for Output {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first {
            buffer.put_slice(b"PGDMP");
            self.first = false;
        }
        if self.left == 0 && self.fails {
            let (what, program, ending, stderr) = ("database c/d".into(), "pg_dump".into(), "exited 1".into(), "no".into());
            return Poll::Ready(Err(io::Error::other(BackupError::ProducerFailed { what, program, ending, stderr })));
        }
        let some = self.left.min(buffer.remaining()).min(8 << 10);
        // Noise, so that what is uploaded is as long as what was dumped.
        let mut noise = vec![0; some];
        rand::fill(&mut noise[..]);
        buffer.put_slice(&noise);
        self.left -= some;
        Poll::Ready(Ok(()))
    }
}

struct Bench {
    server: Standin,
    backups: Backups,
    recipients: Vec<Recipient>,
    identities: Identities,
}

impl Bench {
    async fn new() -> Self {
        let server = Standin::start().await;
        let (one, two) = (Identity::generate(), Identity::generate());
        let recipients = vec![one.to_public(), two.to_public()];
        let backups = backups(&server, 1);
        Self { server, backups, recipients, identities: vec![Box::new(two)] }
    }

    async fn create(&self, bytes: usize) -> Result<String, BackupError> {
        self.create_of(&[Canned { database: "d", bytes, fails: false }, Canned { database: "e", bytes: 9, fails: false }]).await
    }

    /// As the verb does it: what is unfinished is discarded.
    async fn create_of(&self, canned: &[Canned]) -> Result<String, BackupError> {
        let permit = Permit::for_tests();
        let begun = Begun::default();
        let producers: Vec<Box<dyn Producer + '_>> = canned.iter().map(|canned| Box::new(Borrowed(canned)) as Box<dyn Producer>).collect();
        let made = self.backups.create(&permit, &begun, &self.recipients, &producers).await;
        if made.is_err() {
            self.backups.discard(&permit, &begun).await;
        }
        made.map(|manifest| manifest.id)
    }

    async fn verify(&self, id: &str) -> Result<Grade, BackupError> {
        Ok(self.backups.verify(&Permit::for_tests(), id, &self.identities, None).await?.1)
    }

    async fn upload_grade(&self, id: &str) -> Result<Grade, BackupError> {
        Ok(self.backups.verify(&Permit::for_tests(), id, &vec![], None).await?.1)
    }

    fn objects(&self) -> Vec<String> {
        self.server.state().files.keys().filter(|name| name.contains("/pg/")).cloned().collect()
    }
}

struct Borrowed<'c>(&'c Canned);

impl Producer for Borrowed<'_> {
    fn title(&self) -> String {
        self.0.title()
    }

    fn start(&self) -> BoxFuture<'_, Result<Produced, BackupError>> {
        self.0.start()
    }
}

fn backups(server: &Standin, key: u8) -> Backups {
    let signet = Signet::parse(&base64::engine::general_purpose::STANDARD.encode([key; 32])).unwrap();
    let (folder, platform, run) = ("root/lab".into(), "lab".into(), RUN.into());
    Backups { dav: server.client(), folder, platform, signet, run, events: Events::default() }
}

fn code<T>(result: Result<T, BackupError>) -> String {
    result.err().expect("it should have failed").code().unwrap().to_string()
}

/// Too long to be sent as one piece.
const LONG: usize = 5 << 20;

#[tokio::test]
async fn a_backup_is_made_proven_and_found() {
    let bench = Bench::new().await;
    let id = bench.create(LONG).await.unwrap();
    assert!(id.ends_with(RUN), "{id}");
    let files: Vec<String> = bench.server.state().files.keys().cloned().collect();
    let below = |name: &str| format!("root/lab/{id}/{name}");
    assert_eq!(files, [below(MANIFEST), below("pg/c/d.dump.zst.age"), below("pg/c/e.dump.zst.age")]);
    assert_eq!(bench.backups.latest(&LatestOptions::default()).await.unwrap(), None, "nothing is proven yet");

    assert_eq!(bench.upload_grade(&id).await.unwrap(), Grade::Uploaded);
    let hour = LatestOptions { verified_within: Some(Span(Duration::from_secs(3600))), ..LatestOptions::default() };
    let latest = bench.backups.latest(&hour).await.unwrap().unwrap();
    assert_eq!(
        (latest.id.as_str(), latest.grade, latest.databases),
        (id.as_str(), Some(Grade::Uploaded), vec!["c/d".into(), "c/e".into()])
    );
    assert!(latest.size > LONG as u64, "{}", latest.size);

    assert_eq!(bench.verify(&id).await.unwrap(), Grade::Verified);
    assert_eq!(bench.upload_grade(&id).await.unwrap(), Grade::Uploaded);
    assert_eq!(bench.backups.list().await.unwrap()[0].grade, Some(Grade::Verified), "a weaker proof takes nothing back");
}

#[tokio::test]
async fn two_backups_of_one_run_have_two_names_and_are_listed_newest_first() {
    let bench = Bench::new().await;
    let (first, second) = (bench.create(10).await.unwrap(), bench.create(10).await.unwrap());
    let listed: Vec<String> = bench.backups.list().await.unwrap().into_iter().map(|entry| entry.id).collect();
    assert_eq!(listed, [second, first]);
}

#[tokio::test]
async fn a_producer_that_fails_after_its_output_leaves_no_backup() {
    for bytes in [100, LONG] {
        let bench = Bench::new().await;
        let made = bench.create_of(&[Canned { database: "e", bytes: 5, fails: false }, Canned { database: "d", bytes, fails: true }]).await;
        assert_eq!(code(made), "backup::producer_failed");
        assert_eq!(bench.server.state().files.len(), 0);
        assert!(bench.backups.list().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_cut_upload_is_made_again_and_a_second_object_is_no_victim() {
    let bench = Bench::new().await;
    bench.server.fail("PUT", "d.dump", Fault::Cut(70_000), 1);
    let id = bench.create(LONG).await.unwrap();
    assert_eq!(bench.verify(&id).await.unwrap(), Grade::Verified);
    assert_eq!(bench.objects().len(), 2);
}

#[tokio::test]
async fn faults_of_the_server_have_their_codes_and_leave_no_backup() {
    for (method, path, fault, expected) in [
        ("PUT", "d.dump", Fault::Cut(70_000), "backup::cut"),
        ("PUT", "e.dump", Fault::Cut(10), "backup::cut"),
        ("PUT", "d.dump", Fault::Status(401, None), "backup::unauthorized"),
        ("PUT", "d.dump", Fault::Status(507, None), "backup::quota"),
        ("PUT", "e.dump", Fault::Status(503, Some(120)), "backup::busy"),
        ("MOVE", "e.dump", Fault::Status(423, None), "backup::locked"),
        ("PUT", "d.dump", Fault::Keep(70_000), "backup::truncated"),
        ("PUT", "d.dump", Fault::Flip, "backup::corrupt"),
        ("PUT", "manifest", Fault::Status(507, None), "backup::quota"),
    ] {
        let bench = Bench::new().await;
        bench.server.fail(method, path, fault.clone(), 99);
        assert_eq!(code(bench.create(LONG).await), expected, "{fault:?}");
        assert!(bench.server.state().files.is_empty(), "{fault:?}");
        assert!(bench.backups.list().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_server_without_room_is_not_even_begun_with() {
    let bench = Bench::new().await;
    bench.server.state().available = Some(1000);
    assert_eq!(code(bench.create(10).await), "backup::quota");
    assert!(bench.server.state().folders.is_empty());
    bench.server.state().available = Some(-3);
    bench.create(10).await.unwrap();
}

#[tokio::test]
async fn a_backup_that_cannot_be_removed_does_not_count_either() {
    let bench = Bench::new().await;
    bench.server.fail("PUT", "manifest", Fault::Status(507, None), 99);
    bench.server.fail("DELETE", "", Fault::Status(500, None), 99);
    assert_eq!(code(bench.create(10).await), "backup::quota");
    assert_eq!(bench.objects().len(), 2);
    assert!(bench.backups.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_bit_that_flips_at_rest_is_found_by_every_grade() {
    for hashes in [true, false] {
        let bench = Bench::new().await;
        bench.server.state().hashes = hashes;
        let id = bench.create(LONG).await.unwrap();
        let object = bench.objects()[0].clone();
        let middle = bench.server.state().files[&object].len() / 2;
        bench.server.state().files.get_mut(&object).unwrap()[middle] ^= 4;
        assert_eq!(code(bench.upload_grade(&id).await), "backup::damaged");
        assert_eq!(code(bench.verify(&id).await), "backup::damaged");
        assert_eq!(bench.backups.list().await.unwrap()[0].grade, None);
    }
}

#[tokio::test]
async fn swapped_objects_are_found() {
    let bench = Bench::new().await;
    let canned = ["d", "e"].map(|database| Canned { database, bytes: 50, fails: false });
    let id = bench.create_of(&canned).await.unwrap();
    let [one, two] = [0, 1].map(|at| bench.objects()[at].clone());
    let [first, second] = [&one, &two].map(|name| bench.server.state().files[name].clone());
    bench.server.state().files.extend([(one, second), (two, first)]);
    assert_eq!(code(bench.verify(&id).await), "backup::damaged");
}

#[tokio::test]
async fn a_missing_object_is_named_and_not_the_latest() {
    let bench = Bench::new().await;
    let older = bench.create(10).await.unwrap();
    let newer = bench.create(10).await.unwrap();
    for id in [&older, &newer] {
        bench.upload_grade(id).await.unwrap();
    }
    assert_eq!(bench.backups.latest(&LatestOptions::default()).await.unwrap().unwrap().id, newer);
    bench.server.state().files.retain(|name, _| !(name.contains(&newer) && name.ends_with("e.dump.zst.age")));
    assert_eq!(bench.backups.latest(&LatestOptions::default()).await.unwrap().unwrap().id, older);
    assert_eq!(code(bench.upload_grade(&newer).await), "backup::object_missing");
}

#[tokio::test]
async fn a_wrong_identity_reaches_the_lower_grade_and_fails_where_the_higher_is_wanted() {
    let bench = Bench::new().await;
    let id = bench.create(10).await.unwrap();
    let stranger: Identities = vec![Box::new(Identity::generate())];
    let permit = Permit::for_tests();
    assert_eq!(bench.backups.verify(&permit, &id, &stranger, None).await.unwrap().1, Grade::Uploaded);
    for identities in [stranger, vec![]] {
        assert_eq!(code(bench.backups.verify(&permit, &id, &identities, Some(Grade::Verified)).await), "backup::no_identity");
    }
}

#[tokio::test]
async fn a_forged_manifest_and_a_forged_receipt_are_not_believed() {
    let bench = Bench::new().await;
    let id = bench.create(10).await.unwrap();
    bench.upload_grade(&id).await.unwrap();
    let stranger = backups(&bench.server, 2);
    assert!(stranger.list().await.unwrap().is_empty());
    assert_eq!(code(stranger.manifest(&id).await.map(|_| ())), "backup::bad_signature");

    let manifest = format!("root/lab/{id}/{MANIFEST}");
    let text = String::from_utf8(bench.server.state().files[&manifest].clone()).unwrap();
    bench.server.state().files.insert(manifest.clone(), text.replace("15.1", "15.2").into());
    assert_eq!(code(bench.upload_grade(&id).await), "backup::bad_signature");
    assert_eq!(bench.backups.latest(&LatestOptions::default()).await.unwrap(), None);

    // Its own manifest under another name, and one receipt for another manifest.
    bench.server.state().files.insert(manifest, text.into());
    let other = bench.create(10).await.unwrap();
    let copy = |from: &str, to: &str| {
        let files = &mut bench.server.state().files;
        let content = files[from].clone();
        files.insert(to.to_owned(), content);
    };
    copy(&format!("root/lab/{id}/verified.json"), &format!("root/lab/{other}/verified.json"));
    assert_eq!(bench.backups.latest(&LatestOptions::default()).await.unwrap().unwrap().id, id);
    copy(&format!("root/lab/{id}/manifest.json"), &format!("root/lab/{other}/manifest.json"));
    assert_eq!(code(bench.upload_grade(&other).await), "backup::bad_signature");
}

#[tokio::test]
async fn clocks_that_differ_fail_closed() {
    let bench = Bench::new().await;
    let id = bench.create(10).await.unwrap();
    bench.upload_grade(&id).await.unwrap();
    for clock in [Some(3600), Some(-3600), None] {
        bench.server.state().clock = clock;
        assert_eq!(code(bench.backups.latest(&LatestOptions::default()).await), "backup::clock_skew");
        assert_eq!(code(bench.upload_grade(&id).await), "backup::clock_skew");
        assert_eq!(code(bench.create(10).await), "backup::clock_skew");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let bench = Bench::new().await;
    assert!(bench.backups.list().await.unwrap().is_empty());
    for id in ["", "../x", "20251123T175959Z-01KAS3M8R4T5V6W7X8Y9Z0ABCD"] {
        assert_eq!(code(bench.upload_grade(id).await), "backup::not_found");
    }
}

#[tokio::test]
async fn a_backup_that_is_abandoned_half_way_is_removed() {
    let bench = Bench::new().await;
    bench.server.fail("PUT", "d.dump", Fault::Hang, 1);
    let permit = Permit::for_tests();
    let begun = Begun::default();
    let canned = Canned { database: "d", bytes: LONG, fails: false };
    let producers: Vec<Box<dyn Producer + '_>> = vec![Box::new(Borrowed(&canned))];
    let create = bench.backups.create(&permit, &begun, &bench.recipients, &producers);
    assert!(tokio::time::timeout(Duration::from_millis(700), create).await.is_err());
    bench.backups.discard(&permit, &begun).await;
    let state = bench.server.state();
    assert_eq!((state.files.len(), state.folders.iter().filter(|folder| folder.contains(RUN)).count()), (0, 0));
}
