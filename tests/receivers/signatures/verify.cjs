// Verify the signatures of messages: JSON in, the places of those that are not good out.
// `v1` by Svix's library, `v1a` by Node's own cryptography.
const crypto = require("node:crypto");
const { readFileSync } = require("node:fs");
const { Webhook } = require("svix");

function isGood({ key, headers, body }) {
  const [id, at, signature] = ["id", "timestamp", "signature"].map((n) => headers[`webhook-${n}`]);
  if (key.startsWith("whpk_")) {
    const x = Buffer.from(key.slice(5), "base64").toString("base64url");
    const publicKey = crypto.createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x },
      format: "jwk",
    });
    const signed = Buffer.from(`${id}.${at}.${body}`);
    return signature
      .split(" ")
      .filter((each) => each.startsWith("v1a,"))
      .some((each) => crypto.verify(null, signed, publicKey, Buffer.from(each.slice(4), "base64")));
  }
  // The library compares the time with the clock: it is verified as at its arrival.
  Date.now = () => Number(at) * 1000;
  try {
    new Webhook(key).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

const messages = JSON.parse(readFileSync(0, "utf8"));
const bad = messages.flatMap((message, place) => (isGood(message) ? [] : [place]));
console.log(JSON.stringify(bad));
