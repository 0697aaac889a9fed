//! The objects of other updaters, and what is laid over what.

use crate::manifest::foreign::argocd::{Application, Followed, Updater};
use crate::manifest::foreign::flux::{Automation, FluxPolicy, FluxRepository};
use crate::manifest::foreign::{Foreign, Origin};
use crate::manifest::layers::{Layer, LayerImage};
use crate::manifest::stored::bytes::{Reader, Stored, Writer, record};

record!(Origin { file, position, namespace, name });
record!(FluxRepository { origin, image, exclusions, operators });
record!(FluxPolicy { origin, repository, policy, reflects });
record!(Automation { origin, path, branch, push_branch, author, message, further });
record!(Followed { alias, image, policy, further });
record!(Application { origin, span, images, paths, further });
record!(Updater { origin, images, further });
record!(Foreign { repositories, policies, automations, applications, updaters });

record!(LayerImage { name, becomes, decides, span });
record!(Layer { file, resources, components, images, patches });
