"""`release_digest`: tell a new release from a template change that only has pods replaced.

Charts and Reloader have pods replaced when configuration changed elsewhere, by changing an annotation or a variable.
"""

import copy

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.templates import normalize, template_hash

_ROLLOUT_ANNOTATIONS = ("checksum/", "reloader.stakater.com/")  # of charts, and of Reloader
_ROLLOUT_VARIABLE = "STAKATER_"  # Reloader's alternative


def release_digest(template: Object) -> str:
    """The hash of a template without such annotations and variables: with the same digest, the same programs run."""
    kept = copy.deepcopy(normalize(template))
    annotations = kept["metadata"].get("annotations") or {}
    kept["metadata"]["annotations"] = {
        key: value for key, value in annotations.items() if not key.startswith(_ROLLOUT_ANNOTATIONS)
    }
    for container in kept["spec"].get("containers") or ():
        variables = container.get("env") or ()
        container["env"] = [
            variable for variable in variables if not str(variable.get("name")).startswith(_ROLLOUT_VARIABLE)
        ]
    return template_hash(kept)
