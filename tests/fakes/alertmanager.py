"""Alertmanager's API v2, as far as it is used: silences and alerts, over real HTTP."""

from datetime import datetime

from fakes.httpd import Answer, Httpd

from prunella_operator import clock


class FakeAlertmanager(Httpd):
    """Its silences by id, and the fingerprints of what fires, each with its labels."""

    def __init__(self):
        super().__init__(self._answer)
        self.silences = {}
        self.firing = {}

    def state(self, silence_id):
        ends = datetime.fromisoformat(self.silences[silence_id]["endsAt"])
        return "active" if ends > clock.now() else "expired"

    def _answer(self, asked):
        method, path = asked.method, asked.path.removeprefix("/api/v2")
        if (method, path) == ("POST", "/silences"):
            return self._set(asked.json)
        if (method, path) == ("GET", "/silences"):
            found = [
                {"id": key, "status": {"state": self.state(key)}, **silence} for key, silence in self.silences.items()
            ]
            return Answer(body=found)
        if method == "DELETE" and path.removeprefix("/silence/") in self.silences:
            self.silences[path.removeprefix("/silence/")]["endsAt"] = clock.now().isoformat()
            return Answer(body=None)
        if (method, path) == ("GET", "/alerts"):
            return Answer(body=[{"fingerprint": key, "labels": labels} for key, labels in self.firing.items()])
        return Answer(404, "not found")

    def _set(self, silence):
        known = silence.pop("id", "")
        if known and known not in self.silences:
            return Answer(404, {"message": "silence not found"})
        if any(not matcher["value"] for matcher in silence["matchers"]):
            return Answer(400, "invalid silence: at least one matcher must not match the empty string")
        key = known or f"silence-{len(self.silences) + 1}"
        self.silences[key] = silence
        return Answer(body={"silenceID": key})
