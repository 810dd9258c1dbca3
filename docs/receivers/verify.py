"""Verify Nameplate's webhooks. Needs `pip install standardwebhooks`."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from os import environ
from re import fullmatch

from standardwebhooks import Webhook, WebhookVerificationError


def verify(body, headers, secret):
    """Return the event. `body` is the bytes that arrived; ValueError: it is not Nameplate's."""
    if not fullmatch("whsec_[A-Za-z0-9+/]{32,}={0,2}", secret):
        # The library would take a public key as a secret, and everybody knows a public key.
        raise ValueError("the secret must be whsec_...")
    try:
        return Webhook(secret).verify(body, dict(headers))
    except (WebhookVerificationError, ValueError) as error:
        raise ValueError(f"not from Nameplate: {error}") from None


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = verify(body, self.headers, environ["SECRET"])
            print(self.headers["webhook-id"], event["type"], flush=True)
            self.send_response(204)
        except ValueError as error:
            self.log_error("%s", error)
            self.send_response(400)
        self.end_headers()


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(environ.get("PORT", "9000"))), Receiver).serve_forever()
