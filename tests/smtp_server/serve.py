"""A mail server on a free port of 127.0.0.1 that requires a password.

Prints one line of JSON with its port, then one line of JSON for each mail it accepts. A line
"refuse CODE" on standard input makes the server refuse the next recipient. Ends when standard input is closed.
"""

import asyncio
import email
import email.policy
import json
import sys
import threading

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = b"picpick", b"p@ss word"
refusals = []


def print_json(what):
    print(json.dumps(what), flush=True)


class Keeper:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if refusals:
            # The refusal repeats the address, as mail servers do.
            return f"{refusals.pop(0)} <{address}>: not for this mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        names = ("From", "Subject", "Message-ID", "Auto-Submitted")
        headers = {name.lower(): mail[name] for name in names}
        print_json({"to": envelope.rcpt_tos, "text": mail.get_content(), **headers})
        return "250 accepted"


def authenticate(server, session, envelope, mechanism, data):
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER, PASSWORD)
    return AuthResult(success=known, handled=False)


def listen():
    return SMTP(
        Keeper(),
        authenticator=authenticate,
        auth_required=True,
        # Connections stay on this computer, so TLS is not needed.
        auth_require_tls=False,
    )


async def main():
    server = await asyncio.get_running_loop().create_server(listen, "127.0.0.1", 0)
    print_json({"port": server.sockets[0].getsockname()[1]})
    ended = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def read_commands():
        for line in sys.stdin:
            refusals.append(line.split()[1])
        loop.call_soon_threadsafe(ended.set_result, None)

    threading.Thread(target=read_commands, daemon=True).start()
    await ended


asyncio.run(main())
