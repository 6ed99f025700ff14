"""A mail server that takes mails only after STARTTLS and a login, and keeps each in a file.

Arguments: port, folder of mails, certificate, key, user, password. While the file `hold` is in the folder, a mail that was taken is not
yet answered: so a test can end the sender in between.
"""

import asyncio
import os
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class Handler:
    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        name = os.path.join(self.folder, f"{os.getpid():08}-{self.count:04}.eml")
        head = f"X-Envelope: {envelope.mail_from} -> {' '.join(envelope.rcpt_tos)}\r\nX-Encrypted: {session.ssl is not None}\r\n"
        with open(name + ".part", "wb") as file:
            file.write(head.encode() + envelope.content)
        os.rename(name + ".part", name)
        while os.path.exists(os.path.join(self.folder, "hold")):
            await asyncio.sleep(0.05)
        return "250 taken"


def main():
    port, folder, certificate, key, user, password = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def authenticate(server, session, envelope, mechanism, data):
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=right, handled=False)

    controller = Controller(
        Handler(folder),
        hostname="127.0.0.1",
        port=int(port),
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        auth_require_tls=True,
        authenticator=authenticate,
    )
    controller.start()
    # Until whoever started it goes away.
    sys.stdin.read()
    controller.stop()


main()
