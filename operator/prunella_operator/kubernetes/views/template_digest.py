"""What of a pod template makes a release, and what only has pods replaced because configuration changed elsewhere."""

import copy

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.workloads import normalised, template_hash

_MARKS = ("checksum/", "reloader.stakater.com/")  # of charts, and of Reloader
_VARIABLE = "STAKATER_"  # Reloader's other way


def content_of(template: Object) -> str:
    """The digest of a template without such marks: two with the same content run the same."""
    kept = copy.deepcopy(normalised(template))
    marks = kept["metadata"].get("annotations") or {}
    kept["metadata"]["annotations"] = {key: one for key, one in marks.items() if not key.startswith(_MARKS)}
    for container in kept["spec"].get("containers") or ():
        container["env"] = [
            each for each in container.get("env") or () if not str(each.get("name")).startswith(_VARIABLE)
        ]
    return template_hash(kept)
