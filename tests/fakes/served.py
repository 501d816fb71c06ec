"""`FakeKube` behind HTTP, to test the headers and spans of both of our clients."""

from fakes.httpd import Answer, Httpd

from prunella_operator.kubernetes.access import Access
from prunella_workflows.model.errors import NotFound

_MAY_BE_EMPTY = {"incidents", "events", "healingpolicies", "clusterhealingpolicies"}


class ServedKube(Httpd):
    """An API server on loopback with the objects of a fake. It supports neither selectors nor pages."""

    def __init__(self, kube):
        super().__init__(self._do)
        self.kube = kube

    @property
    def access(self):
        return Access(server=self.url, authorization=lambda: "")

    def _do(self, asked):
        try:
            return Answer(200, self._answer(asked))
        except NotFound as error:
            return Answer(404, {"kind": "Status", "reason": "NotFound", "message": str(error), "code": 404})

    def _answer(self, asked):
        if asked.method == "GET":
            return self._read(asked.path)
        if asked.method == "POST":
            return self.kube.create(asked.path, asked.json)
        kind = asked.headers["Content-Type"]
        write = {"application/json-patch+json": self.kube.json_patch, "application/apply-patch+yaml": self.kube.apply}
        return write.get(kind, self.kube.merge_patch)(asked.path, asked.json)

    def _read(self, path):
        """An object or a collection. An empty collection cannot be distinguished from a missing object."""
        if path in self.kube.objects:
            return self.kube.get(path)
        found = list(self.kube.list(path))
        if not found and path.rpartition("/")[2] not in _MAY_BE_EMPTY:
            return self.kube.get(path)
        return {"items": found, "metadata": {"resourceVersion": "1"}}
