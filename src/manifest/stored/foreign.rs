//! The objects of other updaters, and what is laid over what.

use crate::manifest::foreign::argocd::{Application, Followed, Requirement, Selection, Updater};
use crate::manifest::foreign::flux::{Automation, ChartRepository, FluxPolicy, FluxRepository, ReleasedChart};
use crate::manifest::foreign::{Foreign, Origin};
use crate::manifest::layers::{Layer, LayerImage};
use crate::manifest::stored::bytes::{Reader, Stored, Writer, record};

record!(Origin { file, position, namespace, name });
record!(FluxRepository { origin, image, exclusions, operators });
record!(FluxPolicy { origin, repository, policy, reflects });
record!(Automation { origin, path, branch, push_branch, author, message, further });
record!(Followed { alias, image, policy, further });
record!(Application { origin, span, labels, images, paths, further });
record!(Requirement { key, values, is_negated });
record!(Selection { pattern, labels, uses_annotations, images });
record!(Updater { origin, namespace, selections, further });
record!(ReleasedChart { origin, span, chart, source });
record!(ChartRepository { origin, url, is_registry });
record!(Foreign { repositories, policies, automations, applications, updaters, charts, chart_repositories });

record!(LayerImage { name, becomes, decides, span });
record!(Layer { file, resources, components, images, patches });
