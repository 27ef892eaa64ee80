"""Gives schemathesis' requests credentials, ids of existing resources, and many client addresses.

PICPICK_TEST_THINGS is a JSON object: the names of path parameters with ids of existing resources; "face" for body
fields that name a face; "doomed" with the ids of resources that may be deleted; and the headers "cookie" and
"authorization" of a studio member, "album_cookie" of a visitor, and "guest_cookie" of a guest. The changes depend
only on the request's content, so that a repeated request is changed equally. The bodies that are sent are appended
to the file PICPICK_TEST_SENT, one JSON document per line.
"""

import json
import os
import zlib

import schemathesis

THINGS = json.loads(os.environ["PICPICK_TEST_THINGS"])
SENT = open(os.environ["PICPICK_TEST_SENT"], "a", encoding="ascii")

# The parts of an upload are serialised as bytes.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


@schemathesis.hook
def before_call(context, case, kwargs):
    path, method = case.operation.path, case.method.upper()
    parameters = dict(case.path_parameters or {})
    content = repr((method, path, parameters, case.query, case.body))
    number = zlib.crc32(content.encode("utf-8", "replace"))
    # One in eight requests keeps the generated ids, which belong to no resource.
    if number % 8:
        things = dict(THINGS)
        # A DELETE uses the id of another resource, so that the other requests' resources stay.
        last = path.rsplit("/", 1)[-1].strip("{}")
        if method == "DELETE" and last in things["doomed"]:
            things[last] = things["doomed"][last]
        parameters = {name: things.get(name, parameters[name]) for name in parameters}
        case.path_parameters = parameters
        if isinstance(case.body, dict):
            faces = {name: THINGS["face"] for name in ("face", "a", "b") if name in case.body}
            case.body = {**case.body, **faces}
            # Another proof would end the access of the guest whose session the other requests use.
            if case.body.get("guest_proof") in ("contact_code", "guest_list"):
                case.body = {**case.body, "guest_proof": "selfie"}
    headers = dict(case.headers or {})
    # Failed sign-ins are limited by client address.
    headers["X-Forwarded-For"] = "10.%d.%d.%d" % (number >> 24, number >> 16 & 255, number >> 8 & 255)
    # A request that ends a session is sent without credentials, so that the session stays valid.
    ends = method == "DELETE" and path.endswith(("/session", "/api/v1/guest"))
    visitor = next((kind for kind in ("album", "guest") if path.startswith("/api/v1/" + kind)), None)
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
