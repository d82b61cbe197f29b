from __future__ import annotations

from instructions.attributes import METHOD, URL, attribute
from instructions.elements import Verb
from instructions.outcomes import Call, Fail, Goto, Outcome


class Redirect(Verb, content=URL, content_code=11100):
    """Goes on with another document; without a URL, with this one again."""

    answers = False

    method: str = attribute(METHOD, default="POST", code=13710)

    def begin(self, call: Call) -> Outcome:
        if self.text is None:
            return Fail(code=11100, message="<Redirect> has no valid URL to go to")
        return Goto(url=self.text, method=self.method)
