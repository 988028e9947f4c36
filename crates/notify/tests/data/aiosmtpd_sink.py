"""A real mail server for one test: STARTTLS and AUTH required, mails parsed by Python's own library. Prints its port, then a JSON object a mail."""
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = [p for p in mail.walk() if not p.is_multipart()]
        print(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": mail["subject"],
            "names": [a.display_name for a in mail["to"].addresses],
            "parts": [[p.get_content_type(), p.get_content()] for p in parts],
            "tls": session.ssl is not None,
            "authenticated": bool(session.authenticated),
            "defects": [str(d) for p in mail.walk() for d in p.defects],
            "dated": mail["date"].datetime is not None,
        }), flush=True)
        return "250 taken"


def authenticator(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"au", b"ap")
    return AuthResult(success=good, handled=False)


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def factory():
        return SMTP(Handler(), loop=loop, require_starttls=True, tls_context=context,
                    auth_required=True, authenticator=authenticator, enable_SMTPUTF8=True)

    server = loop.run_until_complete(loop.create_server(factory, "127.0.0.1", 0))
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.run_forever()


main()
