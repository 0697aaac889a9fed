//! Signed commits and templates by the whole program: the repository asks, the operator holds the key.

use crate::git::signing::ssh_key;
use crate::program::{Ran, World, commits};
use crate::support::repository::Repository;

struct Scene {
    world: World,
    remote: Repository,
}

impl Scene {
    fn new(further: &str) -> Self {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        let config = world.config() + further;
        let web = world.deployment("acme/web:1.4.0");
        let remote = world.scratch.bare("signed.git", &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]);
        Self { world, remote }
    }

    fn run(&self, service: &str, variables: &[(&str, &str)]) -> Ran {
        let service = self.world.beside("service.yaml", service);
        let url = self.remote.folder.display().to_string();
        let mut command = self.world.command(&["run", "--repo", &url, "--branch", "main", "--service", &service]);
        self.world.finish(command.envs(variables.iter().copied()))
    }
}

#[test]
fn nothing_is_pushed_unsigned_and_the_operators_key_signs() {
    let scene = Scene::new("commit: {sign: ssh, author: Ship Bot <ship@acme.example>, signOff: true}\n");
    let ran = scene.run("version: 1\n", &[]).ended(0);
    let told: String = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("nothing is pushed unsigned") && told.contains("signing.sshKeyFile"), "{ran:?}");
    assert_eq!(commits(&scene.remote), 1);

    let key = ssh_key(&scene.world.scratch, "signing-key", &["-t", "ed25519"]);
    let ran = scene.run("version: 1\nsigning: {sshKeyFile: signing-key}\n", &[]).ended(0);
    assert_eq!(commits(&scene.remote), 2);
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let allowed = scene.world.beside("allowed", &format!("ship@acme.example {public}"));
    let allowed = format!("gpg.ssh.allowedSignersFile={allowed}");
    scene.remote.git(&["-c", &allowed, "verify-commit", "main"]);
    let message = scene.remote.git(&["log", "-1", "--format=%B", "main"]);
    assert!(message.trim_end().ends_with("Signed-off-by: Ship Bot <ship@acme.example>"), "{message}");
    let secret = std::fs::read_to_string(&key).unwrap();
    let line = secret.lines().nth(1).unwrap();
    assert!(!ran.out.contains(line) && !ran.err.contains(line));
}

#[test]
fn a_key_may_come_by_the_environment_and_one_that_is_none_is_said() {
    let scene = Scene::new("commit: {sign: ssh}\n");
    let ran = scene.run("version: 1\n", &[("TAGBOAT_SSH_SIGNING_KEY", "hush")]).ended(0);
    let told: String = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("it is no private key") && !told.contains("hush"), "{ran:?}");
    let key = ssh_key(&scene.world.scratch, "key", &["-t", "ed25519"]);
    let secret = std::fs::read_to_string(key).unwrap();
    scene.run("version: 1\n", &[("TAGBOAT_SSH_SIGNING_KEY", &secret)]).ended(0);
    assert!(scene.remote.git(&["cat-file", "commit", "main"]).contains("BEGIN SSH SIGNATURE"));
    // Holds are commits, too.
    let service = scene.world.beside("service.yaml", "version: 1\n");
    let url = scene.remote.folder.display().to_string();
    let image = format!("{}/acme/web:1.6.0", scene.world.registry.host());
    let arguments = ["hold", &image, "--reason", "no", "--repo", &url, "--branch", "main", "--service", &service];
    scene.world.finish(scene.world.command(&arguments).env("TAGBOAT_SSH_SIGNING_KEY", &secret)).ended(0);
    assert!(scene.remote.git(&["cat-file", "commit", "main"]).contains("BEGIN SSH SIGNATURE"));
}

#[test]
fn what_is_wrong_with_a_template_is_said_with_its_place() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let further =
        "commit:\n  message: |\n    {{ environment }}\n    {{ tag }}\npullRequest: {title: \"{% set a = 1 %}\"}\n";
    world.write(".tagboat.yaml", world.config() + further);
    world.write("dev/web.yaml", world.deployment("acme/web:1.4.0"));
    for command in ["check", "plan"] {
        let ran = world.tagboat(&[command]).ended(2);
        let told = format!("{}{}", ran.out, ran.err);
        assert!(told.contains("line 2 of the template: there is no variable `tag`"), "{ran:?}");
        assert!(told.contains("there are default, environment, files, images, summary"), "{ran:?}");
        assert!(told.contains("`set` cannot be used in these templates"), "{ran:?}");
        assert!(told.contains(".tagboat.yaml:"), "{ran:?}");
    }
}
