"""A mail server on a free port of 127.0.0.1 that asks for a password.

Says in one line of JSON where it listens, then writes one line of JSON for each mail it takes. A line
"refuse CODE" on standard input has it refuse the next recipient. Ends with its standard input.
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


def say(what):
    print(json.dumps(what), flush=True)


class Keeper:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if refusals:
            # As servers do, the refusal repeats the address.
            return f"{refusals.pop(0)} <{address}>: not for this mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        names = ("From", "Subject", "Message-ID", "Auto-Submitted")
        headers = {name.lower(): mail[name] for name in names}
        say({"to": envelope.rcpt_tos, "text": mail.get_content(), **headers})
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER, PASSWORD)
    return AuthResult(success=known, handled=False)


def listen():
    return SMTP(
        Keeper(),
        authenticator=authenticate,
        auth_required=True,
        # The tests stay on this computer.
        auth_require_tls=False,
    )


async def main():
    server = await asyncio.get_running_loop().create_server(listen, "127.0.0.1", 0)
    say({"port": server.sockets[0].getsockname()[1]})
    ended = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def obey():
        for line in sys.stdin:
            refusals.append(line.split()[1])
        loop.call_soon_threadsafe(ended.set_result, None)

    threading.Thread(target=obey, daemon=True).start()
    await ended


asyncio.run(main())
