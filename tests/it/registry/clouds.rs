//! Logins of clouds: every way of saying who this machine is, against services that check what they are shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use futures_util::future::join_all;
use tagboat::model::tags::FactKind;
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::push_times::Vendor as PushVendor;
use tagboat::registry::settings::{CloudSetting, CredentialSetting, HostSettings, Settings};

use super::{list, quick, with_settings};
use crate::support::cloud::{
    AWS_KEY, AWS_SECRET, AWS_SESSION, CLIENT_SECRET, CONTAINER_TOKEN, CloudFault, ECR_PASSWORD, FEDERATED, FakeCloud,
    GOOGLE_REFRESH, GOOGLE_TOKEN, IDENTITY_HEADER, SECRETS, SUBJECT, WEB_IDENTITY, private_key,
};
use crate::support::registry::{ACR_REFRESH, Auth, ENTRA_TOKEN, FakeRegistry, Vendor};
use crate::support::scripted::Scripted;

/// A cloud, one of its registries, and a folder for files.
struct Scene {
    cloud: FakeCloud,
    registry: FakeRegistry,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new(vendor: Vendor, auth: Auth, login: Option<(&'static str, &'static str)>) -> Self {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| (faults.vendor, faults.auth, faults.login) = (vendor, auth, login));
        registry.list_tag("acme/web", "1.0.0");
        Self { cloud: FakeCloud::launch(), registry, folder: tempfile::tempdir().unwrap() }
    }

    async fn aws() -> Self {
        Self::new(Vendor::EcrPrivate, Auth::Basic, Some(("AWS", ECR_PASSWORD))).await
    }

    async fn google() -> Self {
        Self::new(Vendor::Gar, Auth::Bearer, Some(("oauth2accesstoken", GOOGLE_TOKEN))).await
    }

    async fn azure() -> Self {
        Self::new(Vendor::Acr, Auth::Bearer, None).await
    }

    /// Writes a file, and returns its path.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn client(&self, setting: CloudSetting, variables: &[(&'static str, &str)]) -> RegistryClient {
        let host = HostSettings {
            credential: Some(CredentialSetting::Cloud(setting)),
            ..HostSettings::of(&self.registry.host())
        };
        let cloud = self.cloud.settings(variables);
        with_settings(Settings { hosts: vec![host], cloud, limits: quick(), ..Settings::default() })
    }

    async fn list(&self, client: &RegistryClient) -> String {
        let found = list(client, &self.registry.image("acme/web")).await;
        let secrets = SECRETS.iter().chain(&[ENTRA_TOKEN, ACR_REFRESH]);
        secrets.for_each(|secret| assert!(!found.contains(secret), "{found}"));
        found
    }

    /// Lists with one way of saying who this is; `asked` is what the cloud has to be asked for it.
    async fn works(&self, setting: CloudSetting, variables: &[(&'static str, &str)], asked: &[&str]) {
        let client = self.client(setting, variables);
        let before = self.cloud.asked().len();
        assert_eq!(self.list(&client).await, "1.0.0", "{:?}", self.cloud.refused());
        assert_eq!(self.list(&client).await, "1.0.0");
        assert_eq!(self.cloud.asked()[before..], *asked, "asked once, then held");
    }
}

fn aws() -> CloudSetting {
    CloudSetting::Aws { region: Some("eu-central-1".to_owned()) }
}

fn azure(named: bool) -> CloudSetting {
    let named = |text: &str| named.then(|| text.to_owned());
    CloudSetting::Azure { tenant: named("acme-tenant"), client_id: named("acme-client"), client_secret_file: None }
}

/// Returns the file of a service account.
fn service_account(scene: &Scene) -> String {
    let json = serde_json::json!({
        "type": "service_account", "client_email": "tagboat@acme.iam.gserviceaccount.com",
        "private_key": private_key(), "private_key_id": "key-1", "token_uri": scene.cloud.url("/google/token"),
    });
    scene.file("account.json", &json.to_string())
}

/// Returns the file of a workload identity with a source of its subject's token.
fn workload(scene: &Scene, source: &serde_json::Value, impersonates: bool) -> String {
    let mut json = serde_json::json!({
        "type": "external_account", "audience": "//iam.example/providers/acme",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": scene.cloud.url("/google/sts"),
        "credential_source": source,
    });
    if impersonates {
        json["service_account_impersonation_url"] = scene.cloud.url("/google/impersonate:generateAccessToken").into();
    }
    scene.file("workload.json", &json.to_string())
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", AWS_KEY), ("AWS_SECRET_ACCESS_KEY", AWS_SECRET)];

#[tokio::test]
async fn ecr_is_asked_with_a_signature_by_keys_of_every_source() {
    let scene = Scene::aws().await;
    scene.works(aws(), &KEYS, &["ecr"]).await;
    scene.works(aws(), &[KEYS[0], KEYS[1], ("AWS_SESSION_TOKEN", AWS_SESSION)], &["ecr"]).await;
    let token = scene.file("web-identity", &format!("{WEB_IDENTITY}\n"));
    let role = ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/acme");
    scene.works(aws(), &[("AWS_WEB_IDENTITY_TOKEN_FILE", &token), role], &["sts", "ecr"]).await;
    let url = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*scene.cloud.url("/container/role"));
    let shown = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN);
    scene.works(aws(), &[url, shown], &["container", "ecr"]).await;
    let file = scene.file("container-token", CONTAINER_TOKEN);
    scene.works(aws(), &[url, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &file)], &["container", "ecr"]).await;
    scene.works(aws(), &[], &["imds", "imds", "imds", "ecr"]).await;
}

#[tokio::test]
async fn ecr_tells_when_a_tag_was_pushed_to_the_identity_that_logs_in() {
    let scene = Scene::aws().await;
    let host = HostSettings {
        credential: Some(CredentialSetting::Cloud(aws())),
        vendor: Some(PushVendor::Ecr),
        ..HostSettings::of(&scene.registry.host())
    };
    let cloud = scene.cloud.settings(&KEYS);
    let client = with_settings(Settings { hosts: vec![host], cloud, limits: quick(), ..Settings::default() });
    let pushed = async |image: &str, tag: &str| {
        let image = scene.registry.image(image);
        client.facts(&image, &tag.parse().unwrap(), FactKind::Pushed).await.map(|facts| facts.pushed)
    };
    let moment = "2026-11-01T08:00:00Z".parse().unwrap();
    assert_eq!(pushed("acme/web", "1.0.0").await, Ok(Some(moment)), "{:?}", scene.cloud.refused());
    assert_eq!(pushed("acme/web", "1.0.0").await, Ok(Some(moment)));
    assert_eq!(scene.cloud.asked(), ["ecr"], "asked once for a tag");
    assert_eq!(pushed("acme/web", "2.0.0").await, Ok(None), "an image that is not there");
    assert_eq!(pushed("acme/api", "1.0.0").await, Ok(None), "one that this identity may not see");
}

#[tokio::test]
async fn too_many_questions_to_aws_are_asked_again_and_are_no_refusal() {
    let scene = Scene::aws().await;
    for (turned_away, expected) in [(2, "1.0.0"), (100, "it wants fewer questions (ThrottlingException)")] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let api = Scripted::start(move |_| {
            if counted.fetch_add(1, Ordering::Relaxed) < turned_away {
                return (400, Vec::new(), r#"{"__type": "com.amazon#ThrottlingException"}"#.to_owned());
            }
            let token = base64::engine::general_purpose::STANDARD.encode(format!("AWS:{ECR_PASSWORD}"));
            (200, Vec::new(), format!(r#"{{"authorizationData": [{{"authorizationToken": "{token}"}}]}}"#))
        });
        let url = format!("http://{}", api.host());
        let found = scene.list(&scene.client(aws(), &[KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL_ECR", &url)])).await;
        assert!(found.contains(expected) && !found.contains("refuses"), "{found}");
        let asked = asked.load(Ordering::Relaxed);
        assert!((3..=4).contains(&asked), "{asked}: a few tries");
    }
    let throttled = "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>";
    let sts = Scripted::start(move |_| (400, Vec::new(), throttled.to_owned()));
    let (url, token) = (format!("http://{}", sts.host()), scene.file("token", WEB_IDENTITY));
    let role = ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/acme");
    let variables = [("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()), role, ("AWS_ENDPOINT_URL_STS", &url)];
    let found = scene.list(&scene.client(aws(), &variables)).await;
    assert!(found.contains("no login from AWS STS by") && found.contains("(Throttling)"), "{found}");
    assert!(sts.asked().len() > 1);
}

#[tokio::test]
async fn fifty_images_of_five_registries_in_a_region_cost_one_login() {
    let scene = Scene::aws().await;
    let others: Vec<Scene> = join_all((0..4).map(|_| Scene::aws())).await;
    let registries: Vec<&FakeRegistry> =
        std::iter::once(&scene.registry).chain(others.iter().map(|scene| &scene.registry)).collect();
    let hosts = registries.iter().map(|registry| HostSettings {
        credential: Some(CredentialSetting::Cloud(aws())),
        ..HostSettings::of(&registry.host())
    });
    let settings =
        Settings { hosts: hosts.collect(), cloud: scene.cloud.settings(&KEYS), limits: quick(), ..Settings::default() };
    let client = with_settings(settings);
    let images: Vec<_> = (0..50).map(|number: usize| registries[number % 5].image("acme/web")).collect();
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    assert!(lists.iter().all(|list| list == "1.0.0"), "{lists:?}");
    assert_eq!(scene.cloud.asked(), ["ecr"]);
}

#[tokio::test]
async fn a_wrong_key_and_an_expired_session_are_told_apart_with_what_to_do() {
    let scene = Scene::aws().await;
    let wrong = scene.client(aws(), &[KEYS[0], ("AWS_SECRET_ACCESS_KEY", "another-s3cret")]);
    let error = scene.list(&wrong).await;
    let words = "Amazon ECR refuses the environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY \
                 (InvalidSignatureException); the secret key does not belong to that access key";
    assert!(error.contains(words) && !error.contains("another-s3cret"), "{error}");
    scene.cloud.fault(CloudFault::Expired);
    let error = scene.list(&scene.client(aws(), &KEYS)).await;
    assert!(error.contains("(ExpiredTokenException); that login has expired: renew it"), "{error}");
    let token = scene.file("web-identity", WEB_IDENTITY);
    let role = ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/acme");
    let error = scene.list(&scene.client(aws(), &[("AWS_WEB_IDENTITY_TOKEN_FILE", &token), role])).await;
    let words = format!("AWS STS refuses the web identity of {token} (ExpiredTokenException); that login has expired");
    assert!(error.contains(&words), "{error}");
    let error = scene.list(&scene.client(aws(), &[])).await;
    assert!(error.contains("the instance metadata service refuses the role of this instance"), "{error}");
    let none = scene.list(&scene.client(aws(), &[("AWS_EC2_METADATA_DISABLED", "true")])).await;
    assert!(none.contains("there is no login to AWS for") && none.contains("AWS_ACCESS_KEY_ID"), "{none}");
}

#[tokio::test]
async fn google_is_asked_as_every_kind_of_account() {
    let scene = Scene::google().await;
    let by = |file: &str| CloudSetting::Google { file: Some(file.into()) };
    let account = service_account(&scene);
    scene.works(by(&account), &[], &["google"]).await;
    let nobody = CloudSetting::Google { file: None };
    scene.works(nobody.clone(), &[("GOOGLE_APPLICATION_CREDENTIALS", &account)], &["google"]).await;
    scene.works(nobody, &[], &["google metadata"]).await;
    let user = serde_json::json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "app", "refresh_token": GOOGLE_REFRESH,
        "token_uri": scene.cloud.url("/google/token"),
    });
    scene.works(by(&scene.file("user.json", &user.to_string())), &[], &["google"]).await;
    scene.file("subject", SUBJECT);
    let from_file = serde_json::json!({"file": "subject"});
    scene.works(by(&workload(&scene, &from_file, true)), &[], &["google sts", "google iam"]).await;
    let from_url = serde_json::json!({
        "url": scene.cloud.url("/google/subject"), "headers": {"X-Acme": "subject-header"},
        "format": {"type": "json", "subject_token_field_name": "value"},
    });
    let asked = ["google subject", "google sts", "google iam"];
    scene.works(by(&workload(&scene, &from_url, true)), &[], &asked).await;
}

#[tokio::test]
async fn a_workload_identity_without_a_service_account_gives_its_own_token() {
    let scene = Scene::google().await;
    scene.registry.faults(|faults| faults.login = Some(("oauth2accesstoken", "ya29.federated-only")));
    scene.file("subject", SUBJECT);
    let file = workload(&scene, &serde_json::json!({"file": "subject"}), false);
    scene.works(CloudSetting::Google { file: Some(file.into()) }, &[], &["google sts"]).await;
}

#[tokio::test]
async fn a_login_that_ends_is_fetched_anew() {
    let scene = Scene::google().await;
    scene.cloud.fault(CloudFault::ShortLived);
    let client = scene.client(CloudSetting::Google { file: None }, &[]);
    assert_eq!(scene.list(&client).await, "1.0.0");
    let short = scene.cloud.asked().len();
    assert_eq!(scene.list(&client).await, "1.0.0");
    assert!(scene.cloud.asked().len() > short, "it has ended at once");
    scene.cloud.fault(CloudFault::None);
    assert_eq!(scene.list(&client).await, "1.0.0");
    let long = scene.cloud.asked().len();
    assert_eq!(scene.list(&client).await, "1.0.0");
    assert_eq!(scene.cloud.asked().len(), long, "an hour has not passed");
}

#[tokio::test]
async fn a_deleted_key_and_a_file_of_another_kind_say_so() {
    let scene = Scene::google().await;
    scene.cloud.fault(CloudFault::Expired);
    let file = service_account(&scene);
    let client = scene.client(CloudSetting::Google { file: Some(file.clone().into()) }, &[]);
    let error = scene.list(&client).await;
    let words = format!("Google's token server refuses {file} (invalid_grant); the key or the login was deleted");
    assert!(error.contains(&words), "{error}");
    for (text, words) in [
        ("{\"type\": \"service_account\", \"client_email\": \"x\", \"private_key\": \"hush\"}", "no RSA key in PEM"),
        ("{\"type\": \"impersonated_service_account\"}", "none of service_account"),
        ("{\"type\": \"service_account\", \"private_key\": \"hush\"}", "is not an account's"),
        ("{\"type\": \"service_account\", \"private_key\": \"hush", "is not an account's"),
        ("{}", "is not an account's"),
        (
            r#"{"type": "external_account", "audience": "a", "subject_token_type": "t", "token_url": "https://sts.invalid",
                "credential_source": {"executable": {"command": "/bin/true"}}}"#,
            "its `credential_source` runs a program",
        ),
    ] {
        // The file has changed, so that the failure before it is not told again.
        scene.file("account.json", text);
        let error = scene.list(&client).await;
        assert!(error.contains(words) && error.contains(&file) && !error.contains("hush"), "{text}: {error}");
    }
    scene.cloud.fault(CloudFault::None);
    service_account(&scene);
    assert_eq!(scene.list(&client).await, "1.0.0");
}

#[tokio::test]
async fn azure_is_asked_as_a_client_a_workload_and_a_managed_identity() {
    let scene = Scene::azure().await;
    let file = scene.file("client-secret", CLIENT_SECRET);
    let by_file = CloudSetting::Azure {
        tenant: Some("acme-tenant".to_owned()),
        client_id: Some("acme-client".to_owned()),
        client_secret_file: Some(file.into()),
    };
    scene.works(by_file, &[], &["entra"]).await;
    let who = [("AZURE_TENANT_ID", "acme-tenant"), ("AZURE_CLIENT_ID", "acme-client")];
    scene.works(azure(false), &[who[0], who[1], ("AZURE_CLIENT_SECRET", CLIENT_SECRET)], &["entra"]).await;
    let token = scene.file("federated", FEDERATED);
    scene.works(azure(false), &[who[0], who[1], ("AZURE_FEDERATED_TOKEN_FILE", &token)], &["entra"]).await;
    scene.works(azure(true), &[("AZURE_FEDERATED_TOKEN_FILE", &token)], &["entra"]).await;
    scene.works(azure(false), &[], &["azure metadata"]).await;
    let endpoint = scene.cloud.url("/msi/token");
    let app = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", IDENTITY_HEADER)];
    scene.works(azure(true), &app, &["azure app"]).await;
    let counts = scene.registry.requests();
    assert_eq!((counts.exchanges, counts.tokens, counts.logins), (6, 6, 0), "one exchange and one token each");
}

#[tokio::test]
async fn an_expired_or_wrong_secret_of_azure_s_says_which_it_is() {
    let scene = Scene::azure().await;
    let who = [("AZURE_TENANT_ID", "acme-tenant"), ("AZURE_CLIENT_ID", "acme-client")];
    let wrong = scene.client(azure(false), &[who[0], who[1], ("AZURE_CLIENT_SECRET", "another~s3cret")]);
    let error = scene.list(&wrong).await;
    let words = "Microsoft Entra refuses the environment variable AZURE_CLIENT_SECRET (AADSTS7000215); that is not";
    assert!(error.contains(words) && !error.contains("another~s3cret"), "{error}");
    scene.cloud.fault(CloudFault::Expired);
    let error =
        scene.list(&scene.client(azure(false), &[who[0], who[1], ("AZURE_CLIENT_SECRET", CLIENT_SECRET)])).await;
    assert!(error.contains("(AADSTS7000222); the client's secret has expired: make a new one"), "{error}");
    let token = scene.file("federated", FEDERATED);
    let error = scene.list(&scene.client(azure(true), &[("AZURE_FEDERATED_TOKEN_FILE", &token)])).await;
    assert!(error.contains("(AADSTS700024); the workload identity's token has expired"), "{error}");
    let error = scene.list(&scene.client(azure(false), &[("AZURE_FEDERATED_TOKEN_FILE", &token)])).await;
    assert!(error.contains("needs `tenant`, or the variable AZURE_TENANT_ID, beside it"), "{error}");
}

#[tokio::test]
async fn a_cloud_that_is_broken_is_an_error_once_and_not_for_each_image() {
    for (fault, words) in [(CloudFault::Broken, "500"), (CloudFault::Html, "is not the JSON it should be")] {
        let scene = Scene::aws().await;
        scene.cloud.fault(fault);
        let client = scene.client(aws(), &KEYS);
        let first = scene.list(&client).await;
        assert!(first.contains(words) && first.contains("AWS_ACCESS_KEY_ID"), "{first}");
        let asked = scene.cloud.asked().len();
        let images: Vec<_> = (0..50).map(|_| scene.registry.image("acme/web")).collect();
        let lists = join_all(images.iter().map(|image| list(&client, image))).await;
        assert!(lists.iter().all(|list| *list == first), "{lists:?}");
        assert_eq!(scene.cloud.asked().len(), asked);
    }
}

#[tokio::test]
async fn a_login_that_the_registry_refuses_names_the_cloud_and_whom_it_was_asked_by() {
    let scene = Scene::aws().await;
    scene.registry.faults(|faults| faults.login = Some(("AWS", "of-another-account")));
    let error = scene.list(&scene.client(aws(), &KEYS)).await;
    let words = "refuses the credentials from Amazon ECR, asked by the environment variables AWS_ACCESS_KEY_ID";
    assert!(error.contains(words) && error.contains("ecr:BatchGetImage"), "{error}");
}

#[tokio::test]
async fn what_is_shown_to_one_service_does_not_follow_a_redirect_to_another() {
    let (scene, elsewhere) = (Scene::azure().await, FakeCloud::launch());
    let query = "api-version=2019-08-01&client_id=acme-client&resource=https://containerregistry.azure.net";
    scene.cloud.redirect(elsewhere.url(&format!("/msi/token?{query}")));
    let endpoint = scene.cloud.url("/msi/token");
    let app = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", IDENTITY_HEADER)];
    let error = scene.list(&scene.client(azure(true), &app)).await;
    assert!(error.contains("Azure's identity endpoint gave no usable login"), "{error}");
    assert_eq!((elsewhere.asked(), elsewhere.refused()), (vec!["azure app"], vec!["no header".to_owned()]));
}

#[tokio::test]
async fn keys_never_leave_in_plain_http() {
    let scene = Scene::aws().await;
    let client = scene.client(aws(), &[("AWS_ENDPOINT_URL_ECR", "http://192.0.2.1/"), KEYS[0], KEYS[1]]);
    let error = scene.list(&client).await;
    assert!(error.contains("192.0.2.1 would be spoken to in plain HTTP"), "{error}");
    let url = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/role");
    let error = scene.list(&scene.client(aws(), &[url])).await;
    assert!(error.contains("its address is neither over TLS nor the container's own"), "{error}");
}
