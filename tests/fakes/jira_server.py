"""A Jira of one project: as much of its REST API (version 2, Data Center) as its own client library asks for."""

import re
from itertools import count

from fakes.httpd import Answer, Httpd

TOKEN = "canary-jira-token-5a1b"
OPEN, DONE = {"name": "To Do", "statusCategory": {"key": "new"}}, {"name": "Done", "statusCategory": {"key": "done"}}
_ISSUE = re.compile(r"/rest/api/2/issue/([A-Z]+-\d+)(/\w+)?\Z")


class JiraServer(Httpd):
    """`issues` by key; each has fields and comments. The account must have TOKEN."""

    def __init__(self, *, cloud=False):
        super().__init__(self._answer)
        self.cloud = cloud
        self.issues = {}
        self.transitions = [{"id": "11", "name": "Start", "to": OPEN}, {"id": "31", "name": "Done", "to": DONE}]
        self._numbers = count(1)

    def _answer(self, asked):
        if asked.path.endswith("/serverInfo"):
            kind = "Cloud" if self.cloud else "Server"
            return Answer(body={"versionNumbers": [9, 4, 0], "deploymentType": kind, "version": "9.4.0"})
        if not self._allowed(asked.headers.get("Authorization", "")):
            return Answer(401, {"errorMessages": [f"token {TOKEN} is not known"]})
        match asked.method, asked.path.removeprefix("/rest/api/2/"):
            case "GET", "field":
                return Answer(body=[])
            case "GET", "search" | "search/jql":
                return self._search(asked)
            case "POST", "issue":
                return self._create(asked.json["fields"])
        found = _ISSUE.match(asked.path)
        return self._of(asked, found[1], found[2] or "") if found else Answer(404, {"errorMessages": ["no such path"]})

    def _allowed(self, said):
        return said == f"Bearer {TOKEN}" or (self.cloud and said.startswith("Basic "))

    def _search(self, asked):
        label = re.search(r'labels = "([^"]+)"', asked.query["jql"])[1]
        found = [{"key": key} for key, issue in self.issues.items() if label in issue["fields"]["labels"]]
        return Answer(body={"issues": found[: int(asked.query["maxResults"])], "total": len(found)})

    def _create(self, fields):
        key = f"{fields['project']['key']}-{next(self._numbers)}"
        self.issues[key] = {"fields": {**fields, "status": OPEN}, "comments": []}
        return Answer(201, {"id": key, "key": key, "self": f"{self.url}/rest/api/2/issue/{key}"})

    def _of(self, asked, key, part):
        issue = self.issues.get(key)
        if issue is None:
            return Answer(404, {"errorMessages": ["Issue does not exist"]})
        if part == "/comment" and asked.method == "POST":
            issue["comments"].append(asked.json["body"])
            return Answer(201, {"id": str(len(issue["comments"])), "body": asked.json["body"]})
        if part == "/comment":
            return Answer(body={"comments": [{"id": str(i), "body": text} for i, text in enumerate(issue["comments"])]})
        if part == "/transitions" and asked.method == "POST":
            chosen = next(
                transition for transition in self.transitions if transition["id"] == str(asked.json["transition"]["id"])
            )
            issue["fields"]["status"] = chosen["to"]
            return Answer(204, b"")
        if part == "/transitions":
            return Answer(body={"transitions": self.transitions})
        return Answer(body={"id": key, "key": key, "self": f"{self.url}{asked.path}", "fields": issue["fields"]})
