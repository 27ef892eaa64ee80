"""Makes schemathesis come in as somebody, try things that are there, and come from many addresses.

PICPICK_TEST_THINGS is a JSON object: path parameters' names with the ids of things that are there, and "face",
for the fields of bodies that name one; "doomed", the same with those that may be deleted instead; and the
headers "cookie" and "authorization", "album_cookie" of a visitor and "guest_cookie" of a guest. What is done with a request, its own content decides, so that a request
that is repeated is the same again. The bodies that are sent are added to the file PICPICK_TEST_SENT, one JSON
document a line.
"""

import json
import os
import zlib

import schemathesis

THINGS = json.loads(os.environ["PICPICK_TEST_THINGS"])
SENT = open(os.environ["PICPICK_TEST_SENT"], "a", encoding="ascii")

# Parts of uploads are bytes like any others.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


@schemathesis.hook
def before_call(context, case, kwargs):
    path, method = case.operation.path, case.method.upper()
    parameters = dict(case.path_parameters or {})
    content = repr((method, path, parameters, case.query, case.body))
    number = zlib.crc32(content.encode("utf-8", "replace"))
    # One in eight keeps the ids that were generated, which are of nothing.
    if number % 8:
        things = dict(THINGS)
        # What others are tried on stays: of what an address ends with, another one goes.
        last = path.rsplit("/", 1)[-1].strip("{}")
        if method == "DELETE" and last in things["doomed"]:
            things[last] = things["doomed"][last]
        parameters = {name: things.get(name, parameters[name]) for name in parameters}
        case.path_parameters = parameters
        if isinstance(case.body, dict):
            faces = {name: THINGS["face"] for name in ("face", "a", "b") if name in case.body}
            case.body = {**case.body, **faces}
    headers = dict(case.headers or {})
    # Wrong sign-ins are counted by address.
    headers["X-Forwarded-For"] = "10.%d.%d.%d" % (number >> 24, number >> 16 & 255, number >> 8 & 255)
    # Whoever signs out, or goes, is out from then on.
    ends = method == "DELETE" and path.endswith(("/session", "/api/v1/guest"))
    visitor = next((who for who in ("album", "guest") if path.startswith("/api/v1/" + who)), None)
    if visitor and not ends:
        headers["Cookie"] = THINGS[visitor + "_cookie"]
    elif not ends:
        people_only = path == "/api/v1/me" or "/me/" in path or path.endswith("/studios")
        by_cookie = people_only or number // 8 % 2
        name = "Cookie" if by_cookie else "Authorization"
        headers[name] = THINGS[name.lower()]
    case.headers = headers
    if isinstance(case.body, dict):
        print(json.dumps(case.body), file=SENT, flush=True)
