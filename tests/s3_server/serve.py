"""An S3 service on a free port of 127.0.0.1 that checks signatures and keeps versions.

Prints one line of JSON with its addresses and credentials, then one line of JSON for each line of
standard input. Ends when standard input is closed, so that no test leaves it running.
"""

import json
import logging
import sys
import tempfile
import threading

from moto import settings
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, ThreadedMotoServer, create_backend_app
from werkzeug.serving import make_server, make_ssl_devcert

ACCOUNT = "123456789012"
PLAIN = "picpick-plain"
VERSIONED = "picpick-versioned"
ALL_OF_S3 = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()

iam = iam_backends[ACCOUNT]["aws"]
iam.create_user("us-east-1", "backup")
key = iam.create_access_key("backup")
policy = {"Version": "2012-10-17", "Statement": [ALL_OF_S3]}
iam.put_user_policy("backup", "all", json.dumps(policy))
iam.create_user("us-east-1", "stranger")
stranger = iam.create_access_key("stranger")

s3 = s3_backends[ACCOUNT]["aws"]
for bucket in (PLAIN, VERSIONED):
    s3.create_bucket(bucket, "us-east-1")
s3.put_bucket_versioning(VERSIONED, "Enabled")
# From here on the signature and the permissions of every request are checked.
settings.INITIAL_NO_AUTH_ACTION_COUNT = 0

# The second server gives access to this service over TLS, with a self-signed certificate.
with tempfile.TemporaryDirectory() as folder:
    certificate = make_ssl_devcert(f"{folder}/tls", host="localhost")
    app = DomainDispatcherApplication(create_backend_app)
    tls = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=certificate)
threading.Thread(target=tls.serve_forever, daemon=True).start()


def answer(question):
    """`count BUCKET KEY`: returns the number of versions and delete markers of the object.
    `versions BUCKET KEY N`: adds N versions.
    `encryption BUCKET KEY`: returns the encryption algorithm and the KMS key."""
    action, bucket, name, *rest = question.split()
    if action == "encryption":
        found = s3.get_object(bucket, name)
        return [found.encryption, found.kms_key_id]
    if action == "versions":
        for number in range(int(rest[0])):
            s3.put_object(bucket, name, str(number).encode())
    return len(s3.buckets[bucket].keys.getlist(name, []))


host, port = server.get_host_and_port()
print(
    json.dumps(
        {
            "endpoint": f"http://{host}:{port}",
            "tls": f"https://localhost:{tls.server_port}",
            "plain": PLAIN,
            "versioned": VERSIONED,
            "access_key_id": key.access_key_id,
            "secret_access_key": key.secret_access_key,
            "stranger_id": stranger.access_key_id,
            "stranger_secret": stranger.secret_access_key,
        }
    ),
    flush=True,
)
for line in sys.stdin:
    print(json.dumps(answer(line)), flush=True)
