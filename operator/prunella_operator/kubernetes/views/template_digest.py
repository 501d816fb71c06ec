"""`release_digest`: tell a new release from a change of an annotation or variable that only has pods replaced."""

import copy

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.templates import normalize, template_hash

_ROLLOUT_ANNOTATIONS = ("checksum/", "reloader.stakater.com/")  # of charts, and of Reloader
_ROLLOUT_VARIABLE = "STAKATER_"  # Reloader's alternative


def release_digest(template: Object) -> str:
    """The hash of a template without what charts and Reloader change: with the same digest, the same programs run."""
    kept = copy.deepcopy(normalize(template))
    annotations = kept["metadata"].get("annotations") or {}
    lasting = {key: value for key, value in annotations.items() if not key.startswith(_ROLLOUT_ANNOTATIONS)}
    kept["metadata"]["annotations"] = lasting
    for container in kept["spec"].get("containers") or ():
        variables = container.get("env") or ()
        container["env"] = [v for v in variables if not str(v.get("name")).startswith(_ROLLOUT_VARIABLE)]
    return template_hash(kept)
