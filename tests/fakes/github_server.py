"""A GitHub of one repository: its issues and their comments, as its own client library asks for them."""

import re
from urllib.parse import urlencode

from fakes.httpd import Answer, Httpd

from prunella_operator import clock

TOKEN = "canary-github-token-7Zx9Q2"
_ISSUE = re.compile(r"/repos/shop/web/issues/(\d+)(/comments)?\Z")


class GithubServer(Httpd):
    """`issues` by number. The account must have TOKEN; it may not set labels, which GitHub then drops silently."""

    def __init__(self):
        super().__init__(self._answer)
        self.issues = {}

    def _answer(self, asked):
        if asked.headers.get("Authorization") != f"token {TOKEN}":
            return Answer(401, {"message": f"Bad credentials {TOKEN}"})
        if asked.path == "/repos/shop/web/issues":
            return self._create(asked.json) if asked.method == "POST" else self._list(asked)
        if match := _ISSUE.match(asked.path):
            return self._of(asked, int(match[1]), comments=bool(match[2]))
        return Answer(404, {"message": "Not Found"})

    def _list(self, asked):
        page, size = int(asked.query.get("page", 1)), int(asked.query["per_page"])
        newest = sorted(self.issues.values(), key=lambda issue: -issue["number"])
        more = page * size < len(newest)
        following = f'<{self.url}{asked.path}?{urlencode({**asked.query, "page": page + 1})}>; rel="next"'
        return Answer(body=newest[(page - 1) * size : page * size], headers={"Link": following} if more else {})

    def put(self, **values):
        number = len(self.issues) + 1
        self.issues[number] = {
            "number": number,
            "id": number,
            "url": f"{self.url}/repos/shop/web/issues/{number}",
            "html_url": f"https://github.example.org/shop/web/issues/{number}",
            "state": "open",
            "created_at": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "body": "",
            "comments_there": [],
            **values,
        }
        return self.issues[number]

    def _create(self, wish):
        return Answer(201, self.put(title=wish["title"], body=wish["body"]))

    def _of(self, asked, number, *, comments):
        issue = self.issues.get(number)
        if issue is None:
            return Answer(404, {"message": "Not Found"})
        if comments and asked.method == "POST":
            issue["comments_there"].append(asked.json["body"])
            return Answer(201, {"id": len(issue["comments_there"]), "body": asked.json["body"]})
        if comments:
            return Answer(body=[{"id": i, "body": comment} for i, comment in enumerate(issue["comments_there"])])
        if asked.method == "PATCH":
            issue.update(asked.json)
        return Answer(body=issue)
